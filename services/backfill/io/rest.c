// Pages from REST: the tasks of all jobs, within the budget that every process behind this address
// shares and the breaker's word. Several requests are under way at once; each answer is checked
// against what was asked before a row of it is believed.

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "services/backfill/core/batch.h"
#include "services/backfill/io/app.h"

#define WEIGHT 20
#define MAX_BODY ((size_t)1 << 20)
#define REST_MAX_MS 60000 // the budget is asked again after this at the latest
#define AWAY_MS 500

struct call {
    struct call *next;
    struct rest *rest;
    struct job *job;
    struct task *task;
    struct http_call *http; // NULL while the budget is asked
};

struct rest {
    struct app *app;
    struct call *calls;
    size_t n, turn;
    struct timer *timer;
    int64_t rest_until_ms; // the budget said so
};

static void unlink_free(struct call *c)
{
    struct rest *r = c->rest;
    for (struct call **p = &r->calls; *p != NULL; p = &(*p)->next) {
        if (*p == c) {
            *p = c->next;
            r->n--;
            free(c);
            return;
        }
    }
}

// ---- answers
// -------------------------------------------------------------------------------------

static void emit(void *arg, const struct history *h)
{
    struct job *j = arg;
    j->rows_rest += (uint64_t)h->n;
    job_emit(j, h);
}

static void lose(struct job *j, int64_t lo, int64_t hi, int64_t from_ms, int64_t to_ms,
                 const char *reason)
{
    struct history h = {.kind = HISTORY_LOST,
                        .from_id = lo,
                        .to_id = hi,
                        .from_ms = from_ms,
                        .to_ms = to_ms < from_ms ? from_ms : to_ms,
                        .data = {"", 0}};
    str_copy(h.source, sizeof h.source, "rest");
    str_copy(h.reason, sizeof h.reason, reason);
    job_emit(j, &h);
}

// Rows that are not held go out; ids the venue skipped are told.
static void take_rows(struct job *j, const struct task *t, const struct walk_page *page, size_t use,
                      int64_t proven)
{
    struct batch b;
    int64_t next = t->lo, ms = t->from_ms;
    batch_init(&b, "rest", emit, j);
    for (size_t i = 0; i <= use; i++) {
        const int64_t id = i < use ? page->row[i].id : proven + 1;
        if (id > next) {
            batch_flush(&b);
            lose(j, next, id - 1, ms, i < use ? page->row[i].ts_ms : t->to_ms, "not at venue");
        }
        if (i == use) {
            break;
        }
        const struct walk_row *r = &page->row[i];
        if (!plan_has(&j->plan, r->id)) {
            (void)batch_add(&b, r->ts_ms, r->id, r->price, r->qty, r->side);
        }
        next = r->id + 1;
        ms = r->ts_ms;
    }
    batch_flush(&b);
    batch_release(&b);
}

static const char *take_answer(struct job *j, struct task *t, const struct http_reply *r)
{
    struct walk_page page;
    size_t use = 0;
    int64_t proven = -1;
    bool none = false;
    const char *why = walk_read(&page, &j->ins, r->body, r->n);
    if (why == NULL) {
        switch (t->kind) {
        case TASK_LOCATE:
            why = walk_check_located(&page, t->from_ms, t->to_ms);
            if (why == NULL) {
                plan_located(&j->plan, t, page.row[0].id, page.row[0].ts_ms);
            }
            break;
        case TASK_ANCHOR:
            why = walk_check_anchor(&page, t->lo + 1, j->plan.day[t->day].start_ms, &none);
            if (why == NULL) {
                if (!none && !plan_has(&j->plan, t->lo)) {
                    struct batch b; // the trade before the day proves where it begins
                    batch_init(&b, "rest", emit, j);
                    (void)batch_add(&b, page.row[0].ts_ms, page.row[0].id, page.row[0].price,
                                    page.row[0].qty, page.row[0].side);
                    batch_flush(&b);
                    batch_release(&b);
                }
                plan_anchored(&j->plan, t, none);
            }
            break;
        case TASK_PAGE:
            why = walk_check_page(&page, t->lo, t->hi, t->from_ms, t->to_ms, &use, &proven);
            // The venue's ids have no holes: rows from another place, the newest ones say, may
            // begin in the middle of what was asked for.
            if (why == NULL && (int64_t)use < proven - t->lo + 1 && !t->doubted) {
                t->doubted = true;
                why = "it leaves ids out";
            }
            if (why == NULL) {
                take_rows(j, t, &page, use, proven);
                plan_paged(&j->plan, t);
            }
            break;
        }
    }
    walk_release(&page);
    return why;
}

static bool is_key_refused(const struct http_reply *r)
{
    return r->status == 401 || (r->status == 400 && (memmem(r->body, r->n, "-2014", 5) != NULL ||
                                                     memmem(r->body, r->n, "-2015", 5) != NULL));
}

static void explain_block(struct app *a, long status)
{
    if (status == 451) {
        str_copy(a->block, sizeof a->block,
                 "HTTP 451: the venue does not serve the country of this address; use a proxy "
                 "(https_proxy) or another source");
    } else if (status == 403) {
        str_copy(a->block, sizeof a->block,
                 "HTTP 403: the venue's firewall refuses this address or its request rate");
    } else {
        return;
    }
    log_ev(LOG_ERROR, "venue_refuses", F_INT("status", status), F_STR("why", a->block));
}

// A text of the failure, NULL when the answer is to be read.
static const char *refused(struct app *a, const struct http_reply *r, int64_t now, char *out,
                           size_t size)
{
    if (r->err != 0) {
        breaker_troubled(&a->breaker);
        return r->why;
    }
    if (breaker_is_refusal(r->status)) {
        a->refusals++;
        breaker_refused(&a->breaker, now, r->status,
                        r->retry_after_s >= 0 ? r->retry_after_s * 1000 : -1);
        explain_block(a, r->status);
    } else if (is_key_refused(r) && a->key_ok) {
        a->key_ok = false;
        log_ev(LOG_WARN, "key_refused", F_INT("status", r->status),
               F_STR("then", "requests go on without it"));
        a->breaker.o.delay_ms = a->cfg->public_delay_ms;
    } else if (r->status >= 500 || r->status == 408) {
        breaker_troubled(&a->breaker);
    } else if (r->status == 200) {
        return NULL;
    }
    str_fmt(out, size, "HTTP %ld %.100s", r->status, r->body);
    return out;
}

static void on_answer(void *arg, const struct http_reply *r)
{
    struct call *c = arg;
    struct rest *x = c->rest;
    struct app *a = x->app;
    struct job *j = c->job;
    struct task *t = c->task;
    const int64_t now = loop_mono_ms(a->loop);
    char text[160];
    int64_t lo, hi;
    (void)budget_note(a->budget, r);
    unlink_free(c);
    const char *why = refused(a, r, now, text, sizeof text);
    if (why == NULL && r->simulated != j->ins.simulated) {
        why = "the venue and the keyspace are not of the same kind, real or simulated";
    }
    if (why != NULL) {
        plan_failed(&j->plan, t, now);
    } else {
        breaker_good(&a->breaker);
        a->block[0] = '\0';
        a->bytes += r->n;
        const int64_t from_ms = t->from_ms, to_ms = t->to_ms;
        why = take_answer(j, t, r);
        if (why != NULL) {
            a->wrong++;
            if (plan_wrong(&j->plan, t, now, why, &lo, &hi)) {
                lose(j, lo, hi, from_ms, to_ms, why);
            }
        }
    }
    if (why != NULL) {
        job_note_failure(j, why);
        log_ev(LOG_WARN, "request_failed", F_STR("sym", j->ins.name), F_INT("status", r->status),
               F_STR("why", why));
    }
    job_kick(j);
}

// ---- requests
// ------------------------------------------------------------------------------------

static bool send_request(struct call *c)
{
    struct app *a = c->rest->app;
    const struct task *t = c->task;
    const bool located = t->kind == TASK_LOCATE;
    char url[512], key[320];
    struct err e = {0};
    str_fmt(url, sizeof url, "%s/fapi/v1/aggTrades?symbol=%s&%s=%lld&limit=%lld", a->cfg->rest_base,
            c->job->ins.symbol, located ? "startTime" : "fromId",
            (long long)(located ? t->from_ms : t->lo),
            (long long)(t->kind == TASK_PAGE ? t->hi - t->lo + 1 : 1));
    str_fmt(key, sizeof key, "X-MBX-APIKEY: %s", a->cfg->binance_key);
    const char *const headers[] = {a->key_ok ? key : NULL, NULL};
    const struct http_req q = {.url = url,
                               .timeout_ms = a->cfg->api_timeout_s * 1000,
                               .max_body = MAX_BODY,
                               .headers = headers,
                               .on_done = on_answer,
                               .arg = c};
    c->http = http_get(a->http, &q, &e);
    if (c->http == NULL) {
        log_ev(LOG_ERROR, "request_impossible", F_STR("why", e.text));
        return false;
    }
    a->requests++;
    breaker_sent(&a->breaker, loop_mono_ms(a->loop));
    return true;
}

static void put_back(struct call *c, int64_t due_ms)
{
    c->task->in_flight = false;
    c->task->due_ms = due_ms;
    unlink_free(c);
}

static void on_budget(void *arg, bool granted, int64_t wait_ms)
{
    struct call *c = arg;
    struct rest *x = c->rest;
    const int64_t now = loop_mono_ms(x->app->loop);
    wait_ms = wait_ms < REST_MAX_MS ? wait_ms : REST_MAX_MS;
    if (!granted) {
        x->rest_until_ms = now + wait_ms;
        timer_start(x->timer, wait_ms);
        put_back(c, now);
        return;
    }
    if (!send_request(c)) {
        put_back(c, now + AWAY_MS);
        timer_start(x->timer, AWAY_MS);
    }
}

// The next job in turn that has room and a task.
static struct task *choose(struct rest *x, int64_t now, struct job **job)
{
    struct app *a = x->app;
    for (size_t i = 0; i < a->n; i++) {
        struct job *j = a->job[(x->turn + i) % a->n];
        struct task *t =
            j->ops == &job_binance && job_has_room(j) ? plan_next(&j->plan, now) : NULL;
        if (t != NULL) {
            x->turn = (x->turn + i + 1) % a->n;
            *job = j;
            return t;
        }
    }
    return NULL;
}

static int64_t next_due(const struct rest *x)
{
    int64_t due = INT64_MAX;
    for (size_t i = 0; i < x->app->n; i++) {
        const struct job *j = x->app->job[i];
        const bool asks = j->ops == &job_binance && job_asks(j);
        const int64_t at = asks ? plan_due_ms(&j->plan) : INT64_MAX;
        due = at < due ? at : due;
    }
    return due;
}

void rest_kick(struct rest *x)
{
    struct app *a = x->app;
    if (service_is_draining(a->service)) {
        return;
    }
    for (;;) {
        const int64_t now = loop_mono_ms(a->loop);
        if (now < x->rest_until_ms) {
            timer_start(x->timer, x->rest_until_ms - now);
            return;
        }
        const int64_t wait = breaker_wait_ms(&a->breaker, now, (int64_t)x->n);
        if (wait != 0) {
            if (wait > 0) {
                timer_start(x->timer, wait);
            }
            return;
        }
        struct job *j = NULL;
        struct task *t = choose(x, now, &j);
        if (t == NULL) {
            const int64_t due = next_due(x);
            if (due != INT64_MAX) {
                timer_start(x->timer, due > now ? due - now : 1);
            }
            return;
        }
        struct call *c = xcalloc(1, sizeof *c);
        *c = (struct call){.next = x->calls, .rest = x, .job = j, .task = t};
        x->calls = c;
        x->n++;
        // Reserved from now on, so that the spacing holds while the budget is asked.
        breaker_sent(&a->breaker, now);
        if (budget_ask(a->budget, BUDGET_BACKFILL, WEIGHT, on_budget, c) != 0) {
            put_back(c, now + AWAY_MS);
            timer_start(x->timer, AWAY_MS);
            return;
        }
    }
}

void rest_abort(struct rest *x, const struct job *j)
{
    struct call *c = x != NULL ? x->calls : NULL;
    while (c != NULL) {
        struct call *next = c->next;
        if (c->job == j) {
            if (c->http != NULL) {
                http_cancel(c->http);
            } else {
                budget_cancel(x->app->budget, c);
            }
            unlink_free(c);
        }
        c = next;
    }
}

size_t rest_in_flight(const struct rest *x)
{
    return x->n;
}

static void on_timer(void *arg)
{
    rest_kick(arg);
}

struct rest *rest_new(struct app *a)
{
    struct rest *x = xcalloc(1, sizeof *x);
    x->app = a;
    x->timer = timer_new(a->loop, on_timer, x);
    return x;
}

void rest_free(struct rest *x)
{
    if (x == NULL) {
        return;
    }
    timer_free(x->timer);
    free(x);
}
