// The hash :book. State, not a log: the newest view is written, at most every BOOK_WRITE_MS, never
// with another write of the same book under way, and while Redis is away nothing piles up.

#include <hiredis/hiredis.h>
#include <string.h>

#include "common/base/decimal.h"
#include "common/base/log.h"
#include "services/collector/io/depth.h"

#define HOLD_MS 1000

static void on_stored(struct redis *r, const struct redisReply *reply, void *arg)
{
    struct book_lane *o = arg;
    char why[160];
    (void)r;
    o->busy = false;
    if (reply == NULL) {
        o->dirty = true; // whether it was stored is unknown; what is newest goes after the login
        return;
    }
    if (redis_exec_failed(reply, why, sizeof why)) {
        o->dirty = true;
        o->write_failures++;
        o->hold_until_ms = loop_mono_ms(o->all->app->loop) + HOLD_MS;
        log_ev(LOG_WARN, "redis_refused_write", F_STR("sym", o->lane->feed.ins.name),
               F_STR("key", o->key), F_STR("why", why));
        return;
    }
    o->writes++;
    if (o->dirty) {
        book_pump(o);
    }
    if (o->all->app->draining) {
        writer_pump(o->all->app);
    }
}

static void put(struct redis_tx *tx, const char *field, const char *text)
{
    redis_tx_hset(tx, field, text, strlen(text));
}

static void put_int(struct redis_tx *tx, const char *field, int64_t v)
{
    char text[24];
    redis_tx_hset(tx, field, text, fmt_i64(text, v));
}

static void put_decimal(struct redis_tx *tx, const char *field, bool has, int64_t v, int scale,
                        int places)
{
    char text[DEC_TEXT] = "";
    const size_t n = has ? dec_format(text, v, scale, places) : 0;
    redis_tx_hset(tx, field, text, n);
}

// [["61800.20","2.907"],...]
static void put_levels(struct redis_tx *tx, const char *field, const struct instrument *ins,
                       const struct book_level *v, size_t n, struct buf *b)
{
    char text[DEC_TEXT];
    buf_clear(b);
    buf_addc(b, '[');
    for (size_t i = 0; i < n; i++) {
        buf_adds(b, i > 0 ? ",[\"" : "[\"");
        buf_add(b, text, dec_format(text, v[i].price, ins->price_scale, ins->price_decimals));
        buf_adds(b, "\",\"");
        buf_add(b, text, dec_format(text, v[i].qty, ins->qty_scale, ins->qty_decimals));
        buf_adds(b, "\"]");
    }
    buf_addc(b, ']');
    redis_tx_hset(tx, field, buf_ptr(b), buf_len(b));
}

static void put_view(struct redis_tx *tx, const struct book_lane *o, const struct depth_view *v)
{
    const struct instrument *ins = &o->core.ins;
    const int ps = ins->price_scale, pd = ins->price_decimals;
    const int qs = ins->qty_scale, qd = ins->qty_decimals;
    const bool bid = v->n_bids > 0, ask = v->n_asks > 0;
    char ratio[BOOK_RATIO_TEXT];
    put_decimal(tx, "bid_price", bid, v->bids[0].price, ps, pd);
    put_decimal(tx, "bid_qty", bid, v->bids[0].qty, qs, qd);
    put_decimal(tx, "ask_price", ask, v->asks[0].price, ps, pd);
    put_decimal(tx, "ask_qty", ask, v->asks[0].qty, qs, qd);
    put_decimal(tx, "spread", bid && ask, bid && ask ? v->asks[0].price - v->bids[0].price : 0, ps,
                pd);
    book_imbalance(v->bids, v->n_bids, v->asks, v->n_asks, ratio);
    put(tx, "imbalance", ratio);
    put_levels(tx, "bids", ins, v->bids, v->n_bids, &o->all->bids);
    put_levels(tx, "asks", ins, v->asks, v->n_asks, &o->all->asks);
    put_int(tx, "update_id", v->update_id);
    put_int(tx, "ts_ms", v->ts_ms);
    put_int(tx, "event_ms", v->event_ms);
    put_decimal(tx, "known_low", v->has_low, v->low, ps, pd);
    put_decimal(tx, "known_high", v->has_high, v->high, ps, pd);
    put_int(tx, "levels_bid", (int64_t)v->levels_bid);
    put_int(tx, "levels_ask", (int64_t)v->levels_ask);
}

static void send(struct book_lane *o, int64_t now_ms)
{
    struct app *a = o->all->app;
    struct redis_tx *tx = o->all->tx;
    const enum depth_state state = depth_state(&o->core);
    const struct depth_view *v = depth_view(&o->core);
    char notice[64];
    redis_tx_begin(tx);
    redis_tx_hset_begin(tx, o->key);
    if (v->has) {
        put_view(tx, o, v); // else what an earlier process left stays, with the state of now
    }
    put(tx, "state", depth_state_name(state));
    put(tx, "simulated", a->simulated ? "1" : "0");
    put_int(tx, "_ver", ++o->ver);
    put_int(tx, "_updated_ms", loop_wall_us(a->loop) / 1000);
    put_int(tx, "_snapshots", (int64_t)o->core.snapshots);
    put_int(tx, "_gaps", (int64_t)o->core.gaps);
    put_int(tx, "_applied", (int64_t)o->core.applied);
    redis_tx_hset_end(tx);
    str_fmt(notice, sizeof notice, "{\"ver\":%lld,\"day\":\"\",\"changed\":[]}", (long long)o->ver);
    redis_tx_argv(tx, 3,
                  (struct slice[]){slice_of("PUBLISH"), slice_of(o->topic), slice_of(notice)});
    if (redis_tx_exec(a->redis, tx, on_stored, o) != 0) {
        o->hold_until_ms = now_ms + HOLD_MS;
        return;
    }
    o->stored = state;
    o->dirty = false;
    o->busy = true;
    o->written_ms = now_ms;
}

void book_pump(struct book_lane *o)
{
    const struct app *a = o->all->app;
    const int64_t now_ms = loop_mono_ms(a->loop);
    if (depth_state(&o->core) != o->stored) {
        o->dirty = true;
    }
    if (!o->dirty || o->busy || !o->lane->outbox.open || !redis_is_up(a->redis) ||
        now_ms < o->hold_until_ms) {
        return;
    }
    const int64_t wait_ms = o->written_ms + a->cfg->book_write_ms - now_ms;
    if (wait_ms > 0 && !a->draining) {
        if (!timer_is_running(o->all->write_timer)) {
            timer_start(o->all->write_timer, wait_ms);
        }
        return;
    }
    send(o, now_ms);
}

void book_mark(struct book_lane *o)
{
    o->dirty = true;
    book_pump(o);
}
