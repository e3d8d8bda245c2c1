#include "common/base/version.h"

#ifndef BC_VERSION
#define BC_VERSION "unversioned"
#endif

const char bc_version[] = BC_VERSION;
