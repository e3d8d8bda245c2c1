// OpenAPI 3.1 of the route table.

#include <string.h>

#include "services/api/core/docs.h"

#include "common/base/json.h"
#include "common/base/version.h"
#include "services/api/core/channel.h"
#include "services/api/core/route.h"
#include "services/api/core/schema.h"

#define SCHEMAS_MAX 128

static void put_ref(struct jw *w, const char *name)
{
    char ref[96];
    (void)str_fmt(ref, sizeof ref, "#/components/schemas/%s", name);
    jw_kstr(w, "$ref", ref);
}

// "type": of a scalar, with null where it may be that.
static void put_type(struct jw *w, const char *type, bool null)
{
    if (!null) {
        jw_kstr(w, "type", type);
        return;
    }
    jw_key(w, "type");
    jw_arr(w);
    jw_str(w, type);
    jw_str(w, "null");
    jw_end_arr(w);
}

static void put_scalar(struct jw *w, enum member_type type, bool null)
{
    switch (type) {
    case M_BOOL:
        put_type(w, "boolean", null);
        break;
    case M_INT:
        put_type(w, "integer", null);
        jw_kstr(w, "format", "int64");
        break;
    case M_NUM:
        put_type(w, "number", null);
        break;
    case M_TEXT:
        put_type(w, "string", null);
        break;
    case M_TIME:
        put_type(w, "string", null);
        jw_kstr(w, "format", "date-time");
        break;
    case M_DAY:
        put_type(w, "string", null);
        jw_kstr(w, "format", "date");
        break;
    case M_ID:
        jw_key(w, "type");
        jw_arr(w);
        jw_str(w, "integer");
        jw_str(w, "string");
        jw_end_arr(w);
        break;
    case M_ANY:
    case M_OBJECT:
    case M_LIST:
    case M_SPREAD:
        break; // no restriction
    }
}

static void put_member(struct jw *w, const struct member *m)
{
    jw_key(w, m->name);
    jw_obj(w);
    jw_kstr(w, "description", m->text);
    if (m->type == M_LIST) {
        put_type(w, "array", m->null);
        jw_key(w, "items");
        jw_obj(w);
        if (m->of != NULL) {
            put_ref(w, m->of->name);
        } else {
            put_scalar(w, m->item, false);
        }
        jw_end_obj(w);
    } else if (m->type == M_OBJECT && m->null) {
        jw_key(w, "anyOf");
        jw_arr(w);
        jw_obj(w);
        put_ref(w, m->of->name);
        jw_end_obj(w);
        jw_obj(w);
        jw_kstr(w, "type", "null");
        jw_end_obj(w);
        jw_end_arr(w);
    } else if (m->type == M_OBJECT) {
        put_ref(w, m->of->name);
    } else {
        put_scalar(w, m->type, m->null);
    }
    jw_end_obj(w);
}

static void put_members(struct jw *w, const struct schema *s)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->member[i].type == M_SPREAD) {
            put_members(w, s->member[i].of);
        } else {
            put_member(w, &s->member[i]);
        }
    }
}

static void put_required(struct jw *w, const struct schema *s)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->member[i].type == M_SPREAD) {
            put_required(w, s->member[i].of);
        } else if (!s->member[i].absent) {
            jw_str(w, s->member[i].name);
        }
    }
}

struct seen {
    const struct schema *list[SCHEMAS_MAX];
    size_t n;
};

static void collect(struct seen *seen, const struct schema *s, bool named)
{
    for (size_t i = 0; named && i < seen->n; i++) {
        if (seen->list[i] == s) {
            return;
        }
    }
    if (named && seen->n < SCHEMAS_MAX) {
        seen->list[seen->n++] = s;
    }
    for (size_t i = 0; i < s->n; i++) {
        if (s->member[i].of != NULL) {
            collect(seen, s->member[i].of, s->member[i].type != M_SPREAD);
        }
    }
}

static void put_schemas(struct jw *w)
{
    struct seen seen = {.n = 0};
    collect(&seen, &schema_error, true);
    for (size_t i = 0; i < routes_n; i++) {
        if (routes[i].answer != NULL) {
            collect(&seen, routes[i].answer, true);
        }
    }
    jw_key(w, "schemas");
    jw_obj(w);
    for (size_t i = 0; i < seen.n; i++) {
        jw_key(w, seen.list[i]->name);
        jw_obj(w);
        jw_kstr(w, "type", "object");
        jw_key(w, "properties");
        jw_obj(w);
        put_members(w, seen.list[i]);
        jw_end_obj(w);
        jw_key(w, "required");
        jw_arr(w);
        put_required(w, seen.list[i]);
        jw_end_arr(w);
        jw_end_obj(w);
    }
    jw_end_obj(w);
}

// ---- operations ---------------------------------------------------------------------------------

static void put_param_schema(struct jw *w, const struct param *p)
{
    jw_key(w, "schema");
    jw_obj(w);
    switch (p->type) {
    case PARAM_SYMBOL:
        jw_kstr(w, "type", "string");
        break;
    case PARAM_INT:
        jw_kstr(w, "type", "integer");
        jw_kint(w, "minimum", p->min);
        jw_kint(w, "maximum", p->max);
        jw_kraw(w, "default", p->def);
        break;
    case PARAM_CHOICE:
        jw_kstr(w, "type", "string");
        jw_key(w, "enum");
        jw_arr(w);
        for (size_t i = 0; p->choices[i] != NULL; i++) {
            jw_str(w, p->choices[i]);
        }
        jw_end_arr(w);
        if (p->def != NULL) {
            jw_kstr(w, "default", p->def);
        }
        break;
    case PARAM_DAY:
        jw_kstr(w, "type", "string");
        jw_kstr(w, "format", "date");
        break;
    case PARAM_LIST:
        jw_kstr(w, "type", "array");
        jw_key(w, "items");
        jw_obj(w);
        jw_kstr(w, "type", "integer");
        jw_kint(w, "minimum", p->min);
        jw_kint(w, "maximum", p->max);
        jw_end_obj(w);
        jw_kint(w, "minItems", 1);
        jw_kint(w, "maxItems", PARAM_LIST_MAX);
        jw_kbool(w, "uniqueItems", true);
        break;
    }
    jw_end_obj(w);
}

static void put_params(struct jw *w, const struct route *r)
{
    jw_key(w, "parameters");
    jw_arr(w);
    for (const struct param *p = r->param; p->name != NULL; p++) {
        jw_obj(w);
        jw_kstr(w, "name", p->name);
        jw_kstr(w, "in", "query");
        jw_kbool(w, "required", false);
        jw_kstr(w, "description", p->text);
        if (p->type == PARAM_LIST) { // "60,300", not one parameter for each
            jw_kstr(w, "style", "form");
            jw_kbool(w, "explode", false);
        }
        put_param_schema(w, p);
        jw_end_obj(w);
    }
    jw_end_arr(w);
}

static void put_content(struct jw *w, const char *type, const struct schema *s)
{
    jw_key(w, type);
    jw_obj(w);
    jw_key(w, "schema");
    jw_obj(w);
    if (s != NULL) {
        put_ref(w, s->name);
    } else {
        jw_kstr(w, "type", strncmp(type, "application/json", 16) == 0 ? "object" : "string");
    }
    jw_end_obj(w);
    jw_end_obj(w);
}

static void put_answer(struct jw *w, const char *status, const char *text, const struct route *r)
{
    jw_key(w, status);
    jw_obj(w);
    jw_kstr(w, "description", text);
    if (r->answer != NULL) {
        jw_key(w, "headers");
        jw_obj(w);
        jw_key(w, "X-Data-Age-Ms");
        jw_raw(w, "{\"description\":\"milliseconds since the data was last known to equal Redis\","
                  "\"schema\":{\"type\":\"integer\"}}");
        jw_key(w, "X-Simulated");
        jw_raw(w, "{\"description\":\"true: a simulated market\",\"schema\":{\"const\":\"true\"}}");
        jw_end_obj(w);
    }
    jw_key(w, "content");
    jw_obj(w);
    put_content(w, r->type != NULL ? r->type : "application/json", r->answer);
    if (r->exposition != NULL) {
        put_content(w, "text/plain; version=0.0.4", NULL);
        put_content(w, "application/openmetrics-text", NULL);
    }
    jw_end_obj(w);
    jw_end_obj(w);
}

static void put_bare(struct jw *w, const char *status, const char *text)
{
    jw_key(w, status);
    jw_obj(w);
    jw_kstr(w, "description", text);
    jw_end_obj(w);
}

static void put_failure(struct jw *w, const char *status, const char *name)
{
    char ref[64];
    (void)str_fmt(ref, sizeof ref, "#/components/responses/%s", name);
    jw_key(w, status);
    jw_obj(w);
    jw_kstr(w, "$ref", ref);
    jw_end_obj(w);
}

static void put_responses(struct jw *w, const struct route *r)
{
    jw_key(w, "responses");
    jw_obj(w);
    if (r->to != NULL) {
        put_bare(w, "307", "See the Location header");
    } else {
        put_answer(w, "200", "The answer", r);
    }
    if (r->command != NULL) {
        put_answer(w, "202", "Written, and not taken yet", r);
        put_failure(w, "409", "Failure");
        put_failure(w, "503", "Failure");
        put_failure(w, "504", "Failure");
    } else if (r->status != NULL) {
        put_answer(w, "503", "Not ready; status says why", r);
    }
    if (r->page != NULL || route_is_still(r)) {
        put_bare(w, "304", "What If-None-Match names is still right");
    }
    put_failure(w, "400", "BadRequest");
    put_failure(w, "401", "Unauthorized");
    put_failure(w, "default", "Failure");
    jw_end_obj(w);
}

// "/strategy/candles" -> "get_strategy_candles"
static void put_operation_id(struct jw *w, const struct route *r)
{
    char id[96];
    (void)str_fmt(id, sizeof id, "%s%s", r->method, r->path[1] != '\0' ? r->path : "_index");
    for (char *p = id; *p != '\0'; p++) {
        if (*p >= 'A' && *p <= 'Z') {
            *p = (char)(*p + ('a' - 'A'));
        } else if ((*p < 'a' || *p > 'z') && (*p < '0' || *p > '9')) {
            *p = '_';
        }
    }
    jw_kstr(w, "operationId", id);
}

static void put_operation(struct jw *w, const struct route *r)
{
    char tag[48] = "gateway", method[8];
    const char *end = r->path[0] != '\0' ? strchr(r->path + 1, '/') : NULL;
    if (end != NULL) {
        (void)str_copyn(tag, sizeof tag, r->path + 1, (size_t)(end - r->path - 1));
    } else if (!route_is_page(r)) {
        (void)str_copy(tag, sizeof tag, r->path + 1);
    }
    (void)str_copy(method, sizeof method, strcmp(r->method, "POST") == 0 ? "post" : "get");
    jw_key(w, method);
    jw_obj(w);
    put_operation_id(w, r);
    jw_kstr(w, "summary", r->summary);
    jw_key(w, "tags");
    jw_arr(w);
    jw_str(w, tag);
    jw_end_arr(w);
    put_params(w, r);
    put_responses(w, r);
    if (strcmp(r->path, "/health") != 0) {
        jw_key(w, "security");
        jw_raw(w, "[{},{\"bearer\":[]}]");
    }
    jw_end_obj(w);
}

static bool is_first_of_path(size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (strcmp(routes[i].path, routes[at].path) == 0) {
            return false;
        }
    }
    return true;
}

static void put_paths(struct jw *w)
{
    jw_key(w, "paths");
    jw_obj(w);
    for (size_t i = 0; i < routes_n; i++) {
        if (!is_first_of_path(i)) {
            continue;
        }
        jw_key(w, routes[i].path);
        jw_obj(w);
        for (size_t k = i; k < routes_n; k++) {
            if (strcmp(routes[k].path, routes[i].path) == 0) {
                put_operation(w, &routes[k]);
            }
        }
        jw_end_obj(w);
    }
    jw_end_obj(w);
}

// ---- the rest -----------------------------------------------------------------------------------

static void put_error_response(struct jw *w, const char *name, const char *text)
{
    jw_key(w, name);
    jw_obj(w);
    jw_kstr(w, "description", text);
    jw_key(w, "content");
    jw_obj(w);
    put_content(w, "application/json", &schema_error);
    jw_end_obj(w);
    jw_end_obj(w);
}

static void put_components(struct jw *w)
{
    jw_key(w, "components");
    jw_obj(w);
    put_schemas(w);
    jw_key(w, "responses");
    jw_obj(w);
    put_error_response(w, "BadRequest", "A parameter is not allowed; error says which are");
    put_error_response(w, "Unauthorized", "A token is needed (API_TOKEN)");
    put_error_response(w, "Failure", "404, 405 (with Allow), 413, 414, 431, 500, 503");
    jw_end_obj(w);
    jw_key(w, "securitySchemes");
    jw_raw(w, "{\"bearer\":{\"type\":\"http\",\"scheme\":\"bearer\"}}");
    jw_end_obj(w);
}

// OpenAPI knows no WebSocket; what a reader of this document needs of it stands in an extension.
static void put_websocket(struct jw *w)
{
    jw_key(w, "x-websocket");
    jw_obj(w);
    jw_kstr(w, "path", "/ws");
    jw_key(w, "operations");
    jw_arr(w);
    for (size_t i = 0; i < ws_words_n; i++) {
        jw_obj(w);
        jw_kstr(w, "op", ws_words[i].op);
        jw_kraw(w, "example", ws_words[i].example);
        jw_kstr(w, "description", ws_words[i].text);
        jw_end_obj(w);
    }
    jw_end_arr(w);
    jw_key(w, "channels");
    jw_arr(w);
    for (size_t i = 0; i < channels_n; i++) {
        const struct channel *c = &channels[i];
        jw_obj(w);
        jw_kstr(w, "name", c->name);
        jw_kstr(w, "kind", ws_kind_text((int)c->kind));
        jw_kstr(w, "path", c->path);
        jw_kstr(w, "query", c->query);
        jw_kstr(w, "rows", c->rows);
        jw_kint(w, "shortest_ms", c->every_ms);
        jw_end_obj(w);
    }
    jw_end_arr(w);
    jw_end_obj(w);
}

void page_openapi(struct buf *out)
{
    struct jw w;
    jw_init(&w, out);
    jw_obj(&w);
    jw_kstr(&w, "openapi", "3.1.0");
    jw_key(&w, "info");
    jw_obj(&w);
    jw_kstr(&w, "title", "botcrypto4 gateway");
    jw_kstr(&w, "version", bc_version);
    jw_kstr(&w, "description",
            "Order flow of crypto perpetuals. Numbers are exact decimals, null where not known. "
            "Times are ISO 8601 UTC unless the name ends in _ms. Every GET takes HEAD and OPTIONS "
            "too; parameters that are unknown or given twice are refused, names that begin with _ "
            "are ignored. Answers may gain members, they never lose one.");
    jw_end_obj(&w);
    jw_key(&w, "servers");
    jw_raw(&w, "[{\"url\":\"/\"}]");
    put_paths(&w);
    put_components(&w);
    put_websocket(&w);
    jw_end_obj(&w);
}
