#ifndef API_ADOPT_H
#define API_ADOPT_H
// Takes a connected socket out of CivetWeb's hands, so that it costs no thread any more.
//
// CivetWeb parks a thread per WebSocket and can not give a connection away. Its descriptor can be
// replaced under it all the same: the connection goes on under a duplicate of our own, and
// CivetWeb's number becomes one end of a dead socket pair, which it reads as "closed by the peer"
// and tidies up as always.

struct mg_connection;
// The connection's descriptor, now the caller's; -1 when it could not be found or replaced (then
// nothing has changed). Call it behind the handshake, on the connection's own thread.
int adopt_socket(const struct mg_connection *conn);

// Both ends of a connection: its name among the descriptors of this process.
struct peer {
    int port, own_port; // port 0 = nobody
    char address[48];
};
struct peer peer_of(const struct mg_connection *conn);
// Ends the connection, whatever its thread is doing with it. It must be open as long as this lasts.
void cut_socket(const struct peer *peer);

#endif
