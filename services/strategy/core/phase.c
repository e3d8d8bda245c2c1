#include "services/strategy/core/phase.h"

void phase_init(struct phase *p)
{
    *p = (struct phase){.session = SESSION_OFF, .seen_ms = -1};
}

void phase_restore(struct phase *p, int64_t seen_ms)
{
    p->seen_ms = seen_ms;
    p->session = seen_ms < 0 ? SESSION_OFF : session_at(seen_ms);
}

void phase_advance(struct phase *p, int64_t now_ms,
                   void (*on_change)(void *arg, enum session from, enum session to, int64_t at_ms),
                   void *arg)
{
    if (now_ms <= p->seen_ms) {
        return;
    }
    if (p->seen_ms < 0) {
        phase_restore(p, now_ms);
        return;
    }
    int64_t at = p->seen_ms;
    if (now_ms - at > PHASE_MAX_PAUSE_MS) {
        at = session_next_change_ms(now_ms - PHASE_MAX_PAUSE_MS / 2) - 1;
    }
    for (int64_t next; (next = session_next_change_ms(at)) <= now_ms; at = next) {
        enum session to = session_at(next);
        if (to != p->session) {
            enum session from = p->session;
            p->session = to;
            on_change(arg, from, to, next);
        }
    }
    p->seen_ms = now_ms;
}
