// The interface as a page: no script, no picture, nothing from another host.

#include <string.h>

#include "services/api/core/docs.h"

#include "common/base/version.h"
#include "services/api/core/channel.h"
#include "services/api/core/route.h"
#include "services/api/core/schema.h"

const struct ws_words ws_words[] = {
    {"subscribe", "{\"op\":\"subscribe\",\"symbol\":\"binance:BTCUSDT\",\"channels\":[\"price\"]}",
     "A snapshot of each channel follows, then updates. Without symbol: the first instrument. "
     "\"after\":\"<stream id>\" begins trades, events and liquidations behind that entry."},
    {"unsubscribe", "{\"op\":\"unsubscribe\",\"channels\":[\"price\"]}", "Nothing more of them."},
    {"resume", "{\"op\":\"resume\",\"channels\":{\"trades\":{\"epoch\":\"<epoch>\",\"seq\":42}}}",
     "Goes on behind the last message received. Another epoch (the gateway was started anew, or it "
     "is another one) or a number that is gone: a snapshot. {\"after\":\"<stream id>\"} in place "
     "of epoch and seq works with every gateway of the same Redis."},
    {"ping", "{\"op\":\"ping\",\"id\":7}", "Answered with type pong and the same id."},
    {"auth", "{\"op\":\"auth\",\"token\":\"<token>\"}",
     "First message where API_TOKEN_SCOPE=all and no Authorization header was sent."},
};
const size_t ws_words_n = sizeof ws_words / sizeof ws_words[0];

const char *ws_kind_text(int kind)
{
    static const char *const text[] = {
        [CHAN_STATE] = "state", [CHAN_KEYED] = "rows", [CHAN_LIST] = "entries"};
    return text[kind];
}

static const char HEAD[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
    "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
    "<meta name=\"color-scheme\" content=\"light dark\">"
    "<title>botcrypto4 gateway</title><style>\n"
    ":root{--bg:#fff;--fg:#1b1f24;--dim:#57606a;--line:#d0d7de;--box:#f6f8fa;--link:#0550ae}\n"
    "@media(prefers-color-scheme:dark){:root{--bg:#0d1117;--fg:#e6edf3;--dim:#9da7b3;"
    "--line:#30363d;--box:#161b22;--link:#79c0ff}}\n"
    "body{background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,sans-serif;margin:0 auto;"
    "max-width:62rem;padding:1rem}\n"
    "a{color:var(--link)}h2{border-top:1px solid var(--line);margin-top:2rem;padding-top:1rem}\n"
    "h3{margin:2rem 0 .25rem}code,.m{font:14px/1.5 ui-monospace,monospace}\n"
    "pre{background:var(--box);overflow-x:auto;padding:.75rem}\n"
    "table{border-collapse:collapse;display:block;margin:.5rem 0;overflow-x:auto}\n"
    "th,td{border-bottom:1px solid var(--line);padding:.2rem .9rem .2rem 0;text-align:left;"
    "vertical-align:top}\n"
    "caption{color:var(--dim);text-align:left}.d{color:var(--dim)}"
    "nav li{display:inline-block;margin-right:1rem}nav ul{padding:0}\n"
    "summary{cursor:pointer}\n</style></head><body>\n";

static void text(struct buf *o, const char *s)
{
    for (; *s != '\0'; s++) {
        switch (*s) {
        case '<':
            buf_adds(o, "&lt;");
            break;
        case '>':
            buf_adds(o, "&gt;");
            break;
        case '&':
            buf_adds(o, "&amp;");
            break;
        case '"':
            buf_adds(o, "&quot;");
            break;
        default:
            buf_addc(o, *s);
        }
    }
}

static void cell(struct buf *o, const char *s, bool code)
{
    buf_adds(o, code ? "<td class=\"m\">" : "<td>");
    text(o, s);
    buf_adds(o, "</td>");
}

static void bounds(const struct param *p, char *out, size_t size)
{
    size_t at = 0;
    out[0] = '\0';
    switch (p->type) {
    case PARAM_SYMBOL:
        (void)str_copy(out, size, "a configured instrument");
        break;
    case PARAM_INT:
        (void)str_fmt(out, size, "%lld to %lld", (long long)p->min, (long long)p->max);
        break;
    case PARAM_CHOICE:
        for (size_t i = 0; p->choices[i] != NULL; i++) {
            (void)str_fmt(out + at, size - at, "%s%s", i > 0 ? ", " : "", p->choices[i]);
            at += strlen(out + at);
        }
        break;
    case PARAM_DAY:
        (void)str_copy(out, size, "YYYY-MM-DD");
        break;
    case PARAM_LIST:
        (void)str_fmt(out, size, "up to %d of %lld to %lld, comma separated", PARAM_LIST_MAX,
                      (long long)p->min, (long long)p->max);
        break;
    }
}

static void parameters(struct buf *o, const struct route *r)
{
    if (r->param[0].name == NULL) {
        return;
    }
    buf_adds(o, "<table><caption>Parameters</caption><thead><tr><th scope=\"col\">name</th>"
                "<th scope=\"col\">allowed</th><th scope=\"col\">default</th>"
                "<th scope=\"col\">meaning</th></tr></thead><tbody>\n");
    for (const struct param *p = r->param; p->name != NULL; p++) {
        char allowed[96];
        bounds(p, allowed, sizeof allowed);
        buf_adds(o, "<tr>");
        cell(o, p->name, true);
        cell(o, allowed, false);
        cell(o, p->def != NULL ? p->def : "", true);
        cell(o, p->text, false);
        buf_adds(o, "</tr>\n");
    }
    buf_adds(o, "</tbody></table>\n");
}

// Rows "levels.OR.hi", with what lies below each object behind it.
static void members(struct buf *o, const struct schema *s, const char *prefix)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct member *m = &s->member[i];
        char name[160];
        if (m->type == M_SPREAD) {
            members(o, m->of, prefix);
            continue;
        }
        (void)str_fmt(name, sizeof name, "%s%s%s", prefix, m->name, m->type == M_LIST ? "[]" : "");
        struct buf type;
        buf_init(&type, 128);
        schema_type_text(m, &type);
        buf_adds(o, "<tr>");
        cell(o, name, true);
        cell(o, buf_cstr(&type), false);
        cell(o, m->text, false);
        buf_adds(o, "</tr>\n");
        buf_release(&type);
        if (m->of != NULL) {
            (void)str_copyn(name + strlen(name), sizeof name - strlen(name), ".", 1);
            members(o, m->of, name);
        }
    }
}

static void anchor(struct buf *o, const struct route *r)
{
    buf_adds(o, strcmp(r->method, "GET") == 0 ? "get" : "post");
    for (const char *p = r->path; *p != '\0'; p++) {
        buf_addc(o, *p == '/' || *p == '.' ? '-' : *p);
    }
}

static void endpoint(struct buf *o, const struct route *r)
{
    const bool get = strcmp(r->method, "GET") == 0;
    buf_adds(o, "<h3 id=\"");
    anchor(o, r);
    buf_adds(o, "\"><code>");
    text(o, r->method);
    buf_addc(o, ' ');
    if (get) {
        buf_adds(o, "<a href=\"");
        text(o, r->path);
        buf_adds(o, "\">");
    }
    text(o, r->path);
    buf_adds(o, get ? "</a></code></h3>\n<p>" : "</code></h3>\n<p>");
    text(o, r->summary);
    if (route_is_still(r) || r->page != NULL) {
        buf_adds(o, ". <span class=\"d\">Carries an ETag</span>");
    }
    buf_adds(o, "</p>\n");
    parameters(o, r);
    if (r->answer != NULL) {
        buf_adds(o, "<details><summary>Answer: ");
        text(o, r->answer->name);
        buf_adds(o, "</summary><table><thead><tr><th scope=\"col\">member</th>"
                    "<th scope=\"col\">type</th><th scope=\"col\">meaning</th></tr></thead>"
                    "<tbody>\n");
        members(o, r->answer, "");
        buf_adds(o, "</tbody></table></details>\n");
    }
}

static void contents(struct buf *o)
{
    buf_adds(o, "<nav aria-label=\"Endpoints\"><ul>\n");
    for (size_t i = 0; i < routes_n; i++) {
        buf_adds(o, "<li><a href=\"#");
        anchor(o, &routes[i]);
        buf_adds(o, "\">");
        if (strcmp(routes[i].method, "GET") != 0) {
            text(o, routes[i].method);
            buf_addc(o, ' ');
        }
        text(o, routes[i].path);
        buf_adds(o, "</a></li>\n");
    }
    buf_adds(o, "<li><a href=\"#websocket\">WebSocket</a></li></ul></nav>\n");
}

static void operations(struct buf *o)
{
    buf_adds(o, "<table><caption>What a client sends</caption><thead><tr><th scope=\"col\">op</th>"
                "<th scope=\"col\">example</th><th scope=\"col\">meaning</th></tr></thead>"
                "<tbody>\n");
    for (size_t i = 0; i < ws_words_n; i++) {
        buf_adds(o, "<tr>");
        cell(o, ws_words[i].op, true);
        cell(o, ws_words[i].example, true);
        cell(o, ws_words[i].text, false);
        buf_adds(o, "</tr>\n");
    }
    buf_adds(o, "</tbody></table>\n");
}

static void channel_row(struct buf *o, const struct channel *c)
{
    char data[160];
    (void)str_fmt(data, sizeof data, "%s%s%s", c->path != NULL ? c->path : c->rows,
                  c->query != NULL ? "?" : "", c->query != NULL ? c->query : "");
    buf_adds(o, "<tr>");
    cell(o, c->name, true);
    cell(o, ws_kind_text((int)c->kind), false);
    cell(o, data, true);
    buf_addf(o, "<td>%lld ms%s</td></tr>\n", (long long)c->every_ms,
             c->live ? ", and every second" : "");
}

static void websocket(struct buf *o)
{
    buf_adds(o, "<h2 id=\"websocket\">WebSocket <code>/ws</code></h2>\n<p>Every message of the "
                "server about a channel is</p><pre>{\"ch\":\"price\",\"symbol\":"
                "\"binance:BTCUSDT\",\"type\":\"snapshot\",\"seq\":7,\"prev\":0,\"epoch\":\"...\","
                "\"ts_ms\":...,\"data\":{...}}</pre>\n<p>type is snapshot, update or gap. prev is "
                "the seq of the message before it on this channel: a client that is too slow for "
                "every value gets the newest one (seq jumps, prev does not), and of entries a gap "
                "from..to says what it lost. Other messages: ack, pong, error.</p>\n");
    operations(o);
    buf_adds(o, "<table><caption>Channels</caption><thead><tr><th scope=\"col\">channel</th>"
                "<th scope=\"col\">kind</th><th scope=\"col\">data</th>"
                "<th scope=\"col\">at most every</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < channels_n; i++) {
        channel_row(o, &channels[i]);
    }
    buf_adds(o, "</tbody></table>\n<p>state: the whole answer of that path; the newest value wins. "
                "rows: the same, but an update holds only the rows that changed. entries: each "
                "entry once, in order, with the stream id of the last one as "
                "<code>after</code>.</p>\n");
}

void page_docs(struct buf *out)
{
    buf_adds(out, HEAD);
    buf_adds(out, "<header><h1>botcrypto4 gateway</h1><p class=\"d\">");
    text(out, bc_version);
    buf_adds(out,
             " &middot; <a href=\"/openapi.json\">openapi.json</a></p></header>\n<main><p>JSON in "
             "UTF-8. Numbers are exact decimals and <code>null</code> where not known, never 0. "
             "Times are ISO 8601 UTC with milliseconds unless the name ends in <code>_ms</code>. "
             "Every GET takes HEAD and OPTIONS too. A parameter that is unknown, given twice or "
             "out of bounds gets 400 and <code>{\"error\":\"...\"}</code>; names that begin with "
             "<code>_</code> are ignored. <code>X-Data-Age-Ms</code> says how old the data is, "
             "<code>X-Simulated: true</code> that the market is simulated.</p>\n");
    contents(out);
    buf_adds(out, "<h2>Endpoints</h2>\n");
    for (size_t i = 0; i < routes_n; i++) {
        endpoint(out, &routes[i]);
    }
    websocket(out);
    buf_adds(out, "</main></body></html>\n");
}
