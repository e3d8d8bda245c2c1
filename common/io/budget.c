#include "common/io/budget.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#define AWAY_WAIT_MS 1000
#define BAN_418_MS INT64_C(120000)
#define BAN_403_BYBIT_MS INT64_C(600000)
#define BAN_403_MS INT64_C(60000)
#define BAN_BYBIT_MS INT64_C(5000)

// ---- pure
// ----------------------------------------------------------------------------------------

size_t budget_windows(int64_t window_ms, int64_t venue_ms, int64_t minute[2])
{
    const int64_t now = venue_ms / window_ms;
    const int64_t into = venue_ms % window_ms;
    minute[0] = now;
    if (into < BUDGET_BORDER_MS) {
        minute[0] = now - 1;
        minute[1] = now;
        return 2;
    }
    if (into >= window_ms - BUDGET_BORDER_MS) {
        minute[1] = now + 1;
        return 2;
    }
    return 1;
}

int64_t budget_wait_window_ms(int64_t window_ms, int64_t venue_ms, int64_t full)
{
    const int64_t until = (full + 1) * window_ms + BUDGET_BORDER_MS;
    return until > venue_ms ? until - venue_ms : 1;
}

// The number behind "banned until ", 0 when there is none.
static int64_t until_in_body(const char *body, size_t n)
{
    static const char words[] = "banned until ";
    const char *p = n > 0 ? memmem(body, n, words, sizeof words - 1) : NULL;
    if (p == NULL) {
        return 0;
    }
    p += sizeof words - 1;
    size_t digits = 0;
    while (p + digits < body + n && p[digits] >= '0' && p[digits] <= '9') {
        digits++;
    }
    int64_t ms;
    return parse_i64(p, digits, &ms) == 0 ? ms : 0;
}

int64_t budget_banned_until(enum venue v, int64_t venue_ms, long status, int64_t retry_after_s,
                            const char *body, size_t n)
{
    int64_t until = 0;
    if (status == 403) {
        return venue_ms + (v == VENUE_BYBIT ? BAN_403_BYBIT_MS : BAN_403_MS);
    }
    if (status != 429 && status != 418) {
        return 0;
    }
    const int64_t told = until_in_body(body, n);
    if (retry_after_s >= 0) {
        const int64_t most_s = BUDGET_BAN_MAX_MS / 1000;
        until = venue_ms + (retry_after_s < most_s ? retry_after_s : most_s) * 1000;
    } else if (told == 0) {
        until = status == 418 ? venue_ms + BAN_418_MS
                : v == VENUE_BYBIT
                    ? venue_ms + BAN_BYBIT_MS
                    : venue_ms + budget_wait_ms(venue_ms, venue_ms / BUDGET_MINUTE_MS);
    }
    until = told > until ? told : until;
    if (until <= venue_ms) {
        until = venue_ms + BUDGET_BORDER_MS; // it did refuse
    }
    return until < venue_ms + BUDGET_BAN_MAX_MS ? until : venue_ms + BUDGET_BAN_MAX_MS;
}

int64_t budget_bybit_banned_until(int64_t venue_ms, int64_t ret_code, int64_t reset_ms)
{
    if (ret_code != 10006 && ret_code != 10018 && ret_code != 10429) {
        return 0;
    }
    const int64_t until = reset_ms > venue_ms ? reset_ms : venue_ms + BAN_BYBIT_MS;
    return until < venue_ms + BUDGET_BAN_MAX_MS ? until : venue_ms + BUDGET_BAN_MAX_MS;
}

int64_t budget_bybit_ret_code(const char *body, size_t n)
{
    static const char words[] = "\"retCode\":";
    const size_t look = n < 64 ? n : 64;
    const char *p = look > 0 ? memmem(body, look, words, sizeof words - 1) : NULL;
    if (p == NULL) {
        return 0;
    }
    p += sizeof words - 1;
    while (p < body + n && *p == ' ') {
        p++;
    }
    size_t digits = 0;
    while (p + digits < body + n && p[digits] >= '0' && p[digits] <= '9') {
        digits++;
    }
    int64_t code;
    return parse_i64(p, digits, &code) == 0 ? code : 0;
}

int64_t budget_venue_ms(int64_t wall_ms, bool known, int64_t offset_ms)
{
    if (!known || offset_ms > BUDGET_OFFSET_MAX_MS || offset_ms < -BUDGET_OFFSET_MAX_MS) {
        return wall_ms;
    }
    return wall_ms + offset_ms;
}

// ---- the two scripts
// -----------------------------------------------------------------------------

// KEYS[1] the budget; ARGV: now, weight, share in percent, limit while none is stored, the ban this
// process was told of (Redis may have been away then), minutes...
// Answers {1, used, limit, ban} = granted; {0, what, ...}: 'ban' until, 'full' minute, 'never'.
// Fields of minutes that are over are dropped when a new minute begins, at the latest when there
// are some of them.
static const char ask_script[] =
    "local k=KEYS[1] "
    "local function n(f) return tonumber(redis.call('HGET',k,f) or '') or 0 end "
    "local now,w=tonumber(ARGV[1]),tonumber(ARGV[2]) "
    "local ban=n('banned_until_ms') "
    "if tonumber(ARGV[5])>ban then "
    "ban=tonumber(ARGV[5]) redis.call('HSET',k,'banned_until_ms',ARGV[5]) end "
    "if ban>now then return {0,'ban',ban} end "
    "local limit=n('limit') "
    "if limit<=0 then limit=tonumber(ARGV[4]) end "
    "local most=math.floor(limit*tonumber(ARGV[3])/100) "
    "if w>most then return {0,'never',limit} end "
    "for i=6,#ARGV do if n('used:'..ARGV[i])+w>most then return {0,'full',tonumber(ARGV[i])} end "
    "end "
    "local used=0 "
    "for i=6,#ARGV do "
    "used=redis.call('HINCRBY',k,'used:'..ARGV[i],w) "
    "if used==w or redis.call('HLEN',k)>8 then for _,f in ipairs(redis.call('HKEYS',k)) do "
    "local m=tonumber(string.match(f,'^used:(%d+)$') or '') "
    "if m and m<tonumber(ARGV[6])-1 then redis.call('HDEL',k,f) end end end end "
    "return {1,used,limit,ban}";

// ARGV: minute, weight the venue counted in it, ban until, limit; 0 = nothing said. Only the limit
// may fall.
static const char note_script[] =
    "local k=KEYS[1] "
    "local function n(f) return tonumber(redis.call('HGET',k,f) or '') or 0 end "
    "if tonumber(ARGV[2])>n('used:'..ARGV[1]) then redis.call('HSET',k,'used:'..ARGV[1],ARGV[2]) "
    "end "
    "if tonumber(ARGV[3])>n('banned_until_ms') then "
    "redis.call('HSET',k,'banned_until_ms',ARGV[3]) end "
    "if tonumber(ARGV[4])>0 then redis.call('HSET',k,'limit',ARGV[4]) end "
    "return 1";

// ---- asking
// --------------------------------------------------------------------------------------

struct ask {
    struct budget *b; // NULL: nobody waits for the answer
    struct ask *prev, *next;
    int64_t venue_ms, weight;
    budget_cb cb;
    void *arg;
};

struct budget {
    struct budget_opts o;
    char key[96];
    struct ask *asks; // under way
    bool clock_known;
    int64_t offset_ms;
    int64_t used_minute;
    int64_t told_ban_ms; // newest ban that an answer of our own told
    struct budget_stats st;
};

static int64_t venue_now(const struct budget *b)
{
    return budget_venue_ms(loop_wall_us(b->o.loop) / 1000, b->clock_known, b->offset_ms);
}

struct budget *budget_new(const struct budget_opts *o)
{
    struct budget *b = xcalloc(1, sizeof *b);
    b->o = *o;
    b->o.scope = NULL; // the key holds it
    b->o.window_ms = o->window_ms > 0 ? o->window_ms : BUDGET_MINUTE_MS;
    b->st.limit = o->limit;
    str_fmt(b->key, sizeof b->key, "bc4:budget:%s:%s", venue_name(o->venue), o->scope);
    return b;
}

void budget_free(struct budget *b)
{
    if (b == NULL) {
        return;
    }
    for (struct ask *a = b->asks; a != NULL; a = a->next) {
        a->b = NULL;
    }
    free(b);
}

void budget_set_clock(struct budget *b, bool known, int64_t offset_ms)
{
    b->clock_known = known;
    b->offset_ms = offset_ms;
}

static void note_used(struct budget *b, int64_t minute, int64_t used)
{
    if (minute != b->used_minute || used > b->st.used) {
        b->used_minute = minute;
        b->st.used = used;
    }
}

static int64_t integer_at(const struct redisReply *r, size_t i)
{
    return i < r->elements && r->element[i]->type == REDIS_REPLY_INTEGER ? r->element[i]->integer
                                                                         : 0;
}

// True when granted; else *wait_ms.
static bool read_answer(struct budget *b, const struct ask *a, const struct redisReply *r,
                        int64_t *wait_ms)
{
    *wait_ms = AWAY_WAIT_MS;
    if (r == NULL || r->type != REDIS_REPLY_ARRAY || r->elements < 3) {
        return false; // whether it was charged is unknown: it is not sent
    }
    const int64_t v = integer_at(r, 2);
    if (integer_at(r, 0) == 1) {
        b->st.limit = v;
        b->st.banned_until_ms = integer_at(r, 3);
        note_used(b, a->venue_ms / b->o.window_ms, integer_at(r, 1));
        return true;
    }
    const char *what = r->element[1]->type == REDIS_REPLY_STRING ? r->element[1]->str : "";
    if (strcmp(what, "ban") == 0) {
        b->st.banned_until_ms = v;
        const int64_t now = venue_now(b);
        *wait_ms = v - now > 0 ? v - now : 1;
    } else if (strcmp(what, "full") == 0) {
        *wait_ms = budget_wait_window_ms(b->o.window_ms, a->venue_ms, v);
    } else {
        *wait_ms = BUDGET_MINUTE_MS; // the request alone is more than the share
    }
    return false;
}

static void on_asked(struct redis *r, const struct redisReply *reply, void *arg)
{
    struct ask *a = arg;
    struct budget *b = a->b;
    int64_t wait_ms;
    (void)r;
    if (b == NULL) {
        free(a);
        return;
    }
    *(a->prev != NULL ? &a->prev->next : &b->asks) = a->next;
    if (a->next != NULL) {
        a->next->prev = a->prev;
    }
    const bool granted = read_answer(b, a, reply, &wait_ms);
    b->st.granted += granted ? 1 : 0;
    b->st.refused += granted ? 0 : 1;
    b->st.weight += granted ? (uint64_t)a->weight : 0;
    if (a->cb != NULL) {
        a->cb(a->arg, granted, granted ? 0 : wait_ms);
    }
    free(a);
}

static struct slice number(char text[24], int64_t v)
{
    return (struct slice){text, fmt_i64(text, v)};
}

int budget_ask(struct budget *b, enum budget_priority p, int64_t weight, budget_cb cb, void *arg)
{
    char text[7][24];
    struct slice argv[11] = {slice_of("EVAL"), slice_of(ask_script), slice_of("1"),
                             slice_of(b->key)};
    int64_t minute[2];
    size_t n = 4;
    const int64_t now = venue_now(b);
    const size_t minutes = budget_windows(b->o.window_ms, now, minute);
    argv[n++] = number(text[0], now);
    argv[n++] = number(text[1], weight);
    argv[n++] = number(text[2], b->o.share_pct[p]);
    argv[n++] = number(text[3], b->o.limit);
    argv[n++] = number(text[4], b->told_ban_ms);
    for (size_t i = 0; i < minutes; i++) {
        argv[n++] = number(text[5 + i], minute[i]);
    }
    struct ask *a = xcalloc(1, sizeof *a);
    *a = (struct ask){.b = b, .venue_ms = now, .weight = weight, .cb = cb, .arg = arg};
    const int rc = redis_argv(b->o.redis, on_asked, a, n, argv);
    if (rc != 0) {
        free(a);
        return rc;
    }
    a->next = b->asks;
    if (a->next != NULL) {
        a->next->prev = a;
    }
    b->asks = a;
    return 0;
}

void budget_cancel(struct budget *b, const void *arg)
{
    for (struct ask *a = b != NULL ? b->asks : NULL; a != NULL; a = a->next) {
        if (a->arg == arg) {
            a->cb = NULL;
        }
    }
}

// ---- telling
// -------------------------------------------------------------------------------------

static void tell(struct budget *b, int64_t minute, int64_t used, int64_t ban, int64_t limit)
{
    char text[4][24];
    const struct slice argv[] = {slice_of("EVAL"),        slice_of(note_script),
                                 slice_of("1"),           slice_of(b->key),
                                 number(text[0], minute), number(text[1], used),
                                 number(text[2], ban),    number(text[3], limit)};
    if (redis_argv(b->o.redis, NULL, NULL, sizeof argv / sizeof argv[0], argv) != 0) {
        // Redis is away, and so nobody asks: the next answer of the venue tells again.
        return;
    }
}

void budget_set_limit(struct budget *b, int64_t limit)
{
    if (limit > 0) {
        b->st.limit = b->o.limit = limit;
        tell(b, 0, 0, 0, limit);
    }
}

bool budget_note(struct budget *b, const struct http_reply *r)
{
    const int64_t now = budget_venue_ms(r->done_us / 1000, b->clock_known, b->offset_ms);
    const int64_t minute = now / b->o.window_ms;
    const int64_t used = r->used_weight > 0 ? r->used_weight : 0;
    int64_t ban = 0;
    if (r->err == 0) {
        ban = budget_banned_until(b->o.venue, now, r->status, r->retry_after_s, r->body, r->n);
        if (ban == 0 && b->o.venue == VENUE_BYBIT) {
            ban = budget_bybit_banned_until(now, budget_bybit_ret_code(r->body, r->n),
                                            r->limit_reset_ms);
        }
    }
    if (used > 0) {
        note_used(b, minute, used);
    }
    if (ban > 0) {
        b->st.bans++;
        b->st.banned_until_ms = ban;
        b->told_ban_ms = ban > b->told_ban_ms ? ban : b->told_ban_ms;
        log_ev(LOG_WARN, "venue_refuses_requests", F_STR("venue", venue_name(b->o.venue)),
               F_INT("status", r->status), F_INT("pause_ms", ban - now));
    }
    if (used > 0 || ban > 0) {
        tell(b, minute, used, ban, 0);
    }
    return ban > 0;
}

void budget_stats(const struct budget *b, struct budget_stats *out)
{
    *out = b->st;
    if (venue_now(b) / b->o.window_ms != b->used_minute) {
        out->used = 0;
    }
}
