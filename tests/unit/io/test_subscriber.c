#include <criterion/criterion.h>

#include "common/io/redis.h"
#include "tests/support/spin.h"
#include "tests/support/with_redis.h"

struct seen {
    struct loop *l;
    struct with_redis *w;
    struct subscriber *sub;
    int ready, down, messages;
    bool free_in_message;
    char channel[64], payload[64];
};

static void on_message(void *arg, struct slice channel, struct slice payload)
{
    struct seen *s = arg;
    s->messages++;
    str_copyn(s->channel, sizeof s->channel, channel.p, channel.n);
    str_copyn(s->payload, sizeof s->payload, payload.p, payload.n);
    if (s->free_in_message) {
        subscriber_free(s->sub);
        s->sub = NULL;
    }
}

static void on_ready(void *arg)
{
    ((struct seen *)arg)->ready++;
}

static void on_down(void *arg, const char *why)
{
    (void)why;
    ((struct seen *)arg)->down++;
}

static void start(struct seen *s, int64_t probe_ms)
{
    memset(s, 0, sizeof *s);
    s->l = loop_new(clock_system());
    s->w = with_redis_new(NULL);
    s->sub = subscriber_new(
        &(struct subscriber_opts){.loop = s->l,
                                  .url = s->w->url,
                                  .name = "test/sub",
                                  .patterns = (const char *const[]){"bc4:*:pub:*", "other", NULL},
                                  .on_message = on_message,
                                  .on_ready = on_ready,
                                  .on_down = on_down,
                                  .probe_ms = probe_ms,
                                  .arg = s});
    UNTIL(s->l, s->ready == 1);
}

static void end(struct seen *s)
{
    subscriber_free(s->sub);
    with_redis_free(s->w);
    loop_free(s->l);
}

Test(subscriber, gets_what_matches_its_patterns)
{
    struct seen s;
    start(&s, 0);
    with_redis_cmd(s.w, "PUBLISH bc4:{x}:pub:metrics %s", "hello you");
    UNTIL(s.l, s.messages == 1);
    cr_assert_str_eq(s.channel, "bc4:{x}:pub:metrics");
    cr_assert_str_eq(s.payload, "hello you");
    with_redis_cmd(s.w, "PUBLISH nobody 1");
    with_redis_cmd(s.w, "PUBLISH other 2");
    UNTIL(s.l, s.messages == 2);
    cr_assert_str_eq(s.channel, "other");
    end(&s);
}

Test(subscriber, subscribes_again_after_each_reconnect)
{
    struct seen s;
    start(&s, 0);
    for (int i = 1; i <= 2; i++) {
        with_redis_kill(s.w);
        UNTIL(s.l, s.down == i);
        with_redis_restart(s.w, NULL);
        UNTIL(s.l, s.ready == i + 1);
        with_redis_cmd(s.w, "PUBLISH other %d", i);
        UNTIL(s.l, s.messages == i);
    }
    end(&s);
}

Test(subscriber, a_silent_link_is_probed_and_stays_when_it_answers)
{
    struct seen s;
    start(&s, 400);
    spin_for(s.l, 1000);
    cr_assert_eq(s.down, 0);
    cr_assert_eq(s.ready, 1, "a probe is not a new subscription");
    with_redis_cmd(s.w, "PUBLISH other x");
    UNTIL(s.l, s.messages == 1);
    spin_for(s.l, 20);
    cr_assert_eq(s.messages, 1, "one message is delivered once");
    end(&s);
}

Test(subscriber, a_silent_link_that_does_not_answer_is_left)
{
    struct seen s;
    start(&s, 30);
    with_redis_freeze(s.w);
    UNTIL(s.l, s.down == 1);
    with_redis_thaw(s.w);
    UNTIL(s.l, s.ready == 2);
    end(&s);
}

Test(subscriber, may_be_freed_in_a_message)
{
    struct seen s;
    start(&s, 0);
    s.free_in_message = true;
    with_redis_cmd(s.w, "PUBLISH other 1");
    with_redis_cmd(s.w, "PUBLISH other 2");
    UNTIL(s.l, s.messages == 1);
    spin_for(s.l, 20);
    cr_assert_eq(s.messages, 1);
    end(&s);
}

Test(subscriber, is_not_ready_where_subscribing_is_refused)
{
    struct seen s;
    start(&s, 0);
    with_redis_cmd(s.w, "ACL SETUSER default resetchannels -psubscribe");
    with_redis_cmd(s.w, "CLIENT KILL TYPE pubsub");
    UNTIL(s.l, s.down >= 2);
    cr_assert_eq(s.ready, 1);
    with_redis_cmd(s.w, "ACL SETUSER default allchannels +psubscribe");
    UNTIL(s.l, s.ready == 2);
    end(&s);
}
