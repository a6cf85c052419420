#include "CJSON.h"

#include <simdjson.h>

namespace {
using namespace simdjson;

constexpr size_t depth_limit = 512;

// Depth is bounded by the parser, so that recursion is bounded too.
error_code walk(dom::element element, const claw_json_visitor &v) {
    switch (element.type()) {
    case dom::element_type::NULL_VALUE: v.null_value(v.context); return SUCCESS;
    case dom::element_type::BOOL: v.bool_value(v.context, bool(element.get_bool().value_unsafe())); return SUCCESS;
    case dom::element_type::INT64: v.integer(v.context, element.get_int64().value_unsafe()); return SUCCESS;
    case dom::element_type::UINT64: v.number(v.context, double(element.get_uint64().value_unsafe())); return SUCCESS;
    case dom::element_type::DOUBLE: v.number(v.context, element.get_double().value_unsafe()); return SUCCESS;
    case dom::element_type::STRING: {
        auto text = element.get_string().value_unsafe();
        v.string(v.context, text.data(), text.size());
        return SUCCESS;
    }
    case dom::element_type::ARRAY:
        v.begin_array(v.context);
        for (auto child : element.get_array().value_unsafe()) {
            if (auto error = walk(child, v)) return error;
        }
        v.end_array(v.context);
        return SUCCESS;
    case dom::element_type::OBJECT:
        v.begin_object(v.context);
        for (auto field : element.get_object().value_unsafe()) {
            v.key(v.context, field.key.data(), field.key.size());
            if (auto error = walk(field.value, v)) return error;
        }
        v.end_object(v.context);
        return SUCCESS;
    }
    return UNEXPECTED_ERROR;
}
}  // namespace

int claw_json_walk(const char *bytes, size_t count, const claw_json_visitor *visitor) {
    dom::parser parser;
    dom::element root;
    // simdjson counts the document itself as a level.
    if (auto error = parser.allocate(count, depth_limit + 1)) return int(error);
    if (auto error = parser.parse(bytes, count).get(root)) return int(error);
    return int(walk(root, *visitor));
}

const char *claw_json_error(int code) { return simdjson::error_message(simdjson::error_code(code)); }
