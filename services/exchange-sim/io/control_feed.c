// The control port, continued: what is true of books, prices and forced orders, and orders that
// spoil their frames.

#include "services/exchange-sim/io/sim.h"

#include <string.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "services/exchange-sim/core/fault_frame.h"
#include "services/exchange-sim/core/gen_lane.h"

// The book now, or (generated) as it was with update id ?id=.
static int truth_book(struct sim *s, int lane, rest_param_fn param, void *arg, struct buf *body)
{
    int64_t id = control_number(param, arg, "id", 0, INT64_MAX);
    int64_t limit = control_number(param, arg, "limit", BOOK_LEVELS, 100000);
    struct market *m = s->market;
    struct sim_book b = {0};
    struct slice raw;
    if (id < 0 || limit < 1 || m->ops->book == NULL) {
        return control_reply(body, 400, "bad id or limit");
    }
    bool known = m->ops->book(m, lane, (size_t)limit, 0, &b, &raw);
    if (known && id > 0 && id != b.update_id) {
        int64_t age = b.t_ms - id / GEN_IDS_PER_MS;
        known = s->tape == NULL && age > 0 && m->ops->book(m, lane, (size_t)limit, age, &b, &raw) &&
                b.update_id == id;
    }
    if (known) {
        const struct lane *l = &m->lane[lane];
        buf_addf(body, "{\"lastUpdateId\":%lld,\"E\":%lld,\"T\":%lld,\"bids\":[",
                 (long long)b.update_id, (long long)b.e_ms, (long long)b.t_ms);
        levels_text(body, &b.side[0], (size_t)limit, l->price_decimals, l->qty_decimals);
        buf_adds(body, "],\"asks\":[");
        levels_text(body, &b.side[1], (size_t)limit, l->price_decimals, l->qty_decimals);
        buf_adds(body, "]}");
    }
    book_release(&b);
    return known ? 200 : control_reply(body, 404, "no book known at that update id");
}

static int truth_mark(struct sim *s, int lane, struct buf *body)
{
    struct sim_mark k;
    if (s->market->ops->mark == NULL || !s->market->ops->mark(s->market, lane, -1, &k)) {
        return control_reply(body, 404, "no prices known");
    }
    struct jw w;
    jw_init(&w, body);
    jw_obj(&w);
    jw_kint(&w, "t_ms", k.e_ms);
    jw_kint(&w, "mark_e8", k.mark_e8);
    jw_kint(&w, "index_e8", k.index_e8);
    jw_kint(&w, "settle_e8", k.settle_e8);
    jw_kint(&w, "funding_e8", k.funding_e8);
    jw_kint(&w, "next_funding_ms", k.next_funding_ms);
    jw_kint(&w, "open_interest", k.open_interest);
    jw_kint(&w, "last_price", k.last_price);
    jw_end_obj(&w);
    return 200;
}

// Lines id,T,E,side,average price,bankruptcy price,quantity,shown; integers as the lane counts.
static int truth_forced(struct sim *s, int lane, rest_param_fn param, void *arg, struct buf *body,
                        const char **content_type)
{
    int64_t id =
        control_number(param, arg, "fromId", s->cfg->from_ms / 1000 * GEN_MAX_FORCED, INT64_MAX);
    int64_t limit = control_number(param, arg, "limit", 10000, 100000);
    if (id < 1 || limit < 0 || s->market->ops->liquidation == NULL) {
        return control_reply(body, 400, "bad fromId or limit, or a recording");
    }
    struct sim_liquidation x;
    *content_type = "text/csv";
    for (id--; limit-- > 0 && s->market->ops->liquidation(s->market, lane, id, &x); id = x.id) {
        buf_addf(body, "%lld,%lld,%lld,%s,%lld,%lld,%lld,%d\n", (long long)x.id, (long long)x.t_ms,
                 (long long)x.e_ms, x.sell ? "SELL" : "BUY", (long long)x.average_price,
                 (long long)x.bankruptcy_price, (long long)x.qty, x.shown);
    }
    if (buf_len(body) == 0) {
        buf_addc(body, '\n');
    }
    return 200;
}

int control_truth(struct sim *s, rest_param_fn param, void *arg, struct buf *body,
                  const char **content_type)
{
    int lane = control_lane(s, param, arg);
    const char *kind = param(arg, "kind");
    if (lane < 0) {
        return control_reply(body, 400, "unknown symbol");
    }
    if (strcmp(kind, "book") == 0) {
        return truth_book(s, lane, param, arg, body);
    }
    if (strcmp(kind, "mark") == 0) {
        return truth_mark(s, lane, body);
    }
    if (strcmp(kind, "liquidation") == 0) {
        return truth_forced(s, lane, param, arg, body, content_type);
    }
    return control_reply(body, 400, "kind=trade|book|mark|liquidation");
}

int control_spoil(struct sim *s, rest_param_fn param, void *arg, struct buf *body)
{
    const char *how = param(arg, "kind");
    enum sim_kind of = control_kind(param, arg, "of");
    int64_t n = control_number(param, arg, "n", 1, FAULT_MAX_COUNT);
    if (of == SIM_KINDS || n < 0 || !faults_spoil(&s->faults, of, how != NULL ? how : "mix", n)) {
        buf_adds(body, "{\"ok\":false,\"kinds\":[");
        for (const char *const *k = fault_break_kinds; *k != NULL; k++) {
            buf_addf(body, "%s\"%s\"", k == fault_break_kinds ? "" : ",", *k);
        }
        buf_adds(body, "]}");
        return 400;
    }
    return control_reply(body, 200, "ordered");
}

int control_feed(struct sim *s, const char *path, rest_param_fn param, void *arg, struct buf *body)
{
    int64_t n = control_number(param, arg, "n", 1, FAULT_MAX_COUNT);
    int64_t age = control_number(param, arg, "age_ms", 60000, 86400000);
    bool stale = strcmp(path, "/stale") == 0;
    if (!stale && strcmp(path, "/crossed") != 0) {
        return 0;
    }
    if (n < 0 || age < 1) {
        return control_reply(body, 400, "n=0..100000, age_ms=1..86400000");
    }
    if (stale) {
        s->stale.n += n;
        s->stale.age_ms = age;
    } else {
        faults_cross(&s->faults, n);
    }
    return control_reply(body, 200, "ordered");
}
