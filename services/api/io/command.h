#ifndef API_COMMAND_H
#define API_COMMAND_H
// Commands on their way to :commands: a request's thread hands one to the loop's thread, which
// writes it, and waits, for a bounded time and with few others, for what becomes of it.
//
//   FREE -> NEW     asked for
//        -> SENT    XADD is on its way
//        -> WRITTEN it has an id; now strategy has to take it (:cvd _pos_commands in a snapshot)
//        -> FAILED  Redis refused it, or the link died: whether it was written is not known
//
// Who waits in vain leaves; a slot whose XADD is on its way is freed by the reply then.

#include "common/io/loop.h"
#include "common/io/redis.h"
#include "services/api/core/route.h"
#include "services/api/io/store.h"

// At once; each holds a thread.
#define COMMANDS_MAX 8

enum command_result {
    COMMAND_APPLIED,
    COMMAND_QUEUED,  // written, and not taken within wait_ms
    COMMAND_REFUSED, // strategy took it and did not do it
    COMMAND_AWAY,    // Redis is away, or says no: nothing was written
    COMMAND_UNKNOWN, // the link died, or was silent: whether it was written is not known
    COMMAND_BUSY,    // COMMANDS_MAX wait already
};

struct commands;
struct commands_opts {
    struct store *store;  // borrowed
    const char *instance; // named in the entry, for people
    int64_t wait_ms;
};
// commands_send() may be called from here on; until commands_start() it answers COMMAND_AWAY.
struct commands *commands_new(const struct commands_opts *o);
void commands_start(struct commands *c, struct loop *loop, struct redis *r); // on the loop's thread
void commands_stop(struct commands *c);                                      // likewise
void commands_free(struct commands *c);
// A snapshot was published.
void commands_note(struct commands *c);
// Any thread but the loop's. Fills p but for at_ms, which is what the command says.
enum command_result commands_send(struct commands *c, size_t instrument, const char *type,
                                  int64_t at_ms, struct post *p);

#endif
