// The peer of bench_scanner: simdjson's on-demand parser on the same frames, reading the same
// fields in the order in which they stand. Built only where the library is installed.

#include <cstddef>
#include <cstdint>
#include <simdjson.h>
#include <string_view>

using namespace simdjson;

extern "C" uint64_t peer_simdjson(const char *bytes, const uint32_t *at, size_t n);

uint64_t peer_simdjson(const char *bytes, const uint32_t *at, size_t n)
{
    static ondemand::parser parser;
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        const size_t len = at[i + 1] - at[i];
        // What stands behind a frame is the next frame: enough padding, and the last has 64 bytes.
        ondemand::document doc = parser.iterate(padded_string_view(bytes + at[i], len, len + 64));
        ondemand::object o = doc.find_field("data").get_object();
        std::string_view e = o.find_field("e");
        const uint64_t event = o.find_field("E").get_uint64();
        const uint64_t id = o.find_field("a").get_uint64();
        std::string_view s = o.find_field("s");
        std::string_view p = o.find_field("p");
        std::string_view q = o.find_field("q");
        const uint64_t ts = o.find_field("T").get_uint64();
        const bool maker = o.find_field("m").get_bool();
        const uint64_t market = o.find_field("st").get_uint64();
        if (e != "aggTrade") {
            return 0;
        }
        sum += event + ts + id + market + (maker ? 1 : 0) + s.size() + p.size() + q.size() +
               static_cast<unsigned char>(p[0]) + static_cast<unsigned char>(q[0]);
    }
    return sum;
}

extern "C" uint64_t peer_simdjson_depth(const char *bytes, const uint32_t *at, size_t n);

static uint64_t side(ondemand::array list)
{
    uint64_t sum = 0;
    for (ondemand::array pair : list) {
        auto it = pair.begin();
        std::string_view price = *it;
        ++it;
        std::string_view qty = *it;
        sum += price.size() + qty.size() + static_cast<unsigned char>(price[0]) +
               static_cast<unsigned char>(qty[0]);
    }
    return sum;
}

uint64_t peer_simdjson_depth(const char *bytes, const uint32_t *at, size_t n)
{
    static ondemand::parser parser;
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        const size_t len = at[i + 1] - at[i];
        ondemand::document doc = parser.iterate(padded_string_view(bytes + at[i], len, len + 64));
        ondemand::object o = doc.find_field("data").get_object();
        std::string_view e = o.find_field("e");
        sum += o.find_field("E").get_uint64();
        sum += o.find_field("T").get_uint64();
        std::string_view s = o.find_field("s");
        sum += s.size();
        sum += o.find_field("U").get_uint64();
        sum += o.find_field("u").get_uint64();
        sum += o.find_field("pu").get_uint64();
        if (e != "depthUpdate") {
            return 0;
        }
        sum += side(o.find_field("b").get_array());
        sum += side(o.find_field("a").get_array());
        sum += o.find_field("st").get_uint64();
    }
    return sum;
}
