#ifndef SIM_IO_LWS_H
#define SIM_IO_LWS_H
// libwebsockets brings OpenSSL's headers, which claim the name of one of our error codes for a
// type that nobody here uses.
#define ERR_STATE openssl_err_state
#include <libwebsockets.h>
#undef ERR_STATE
#endif
