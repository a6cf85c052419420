// The only door to libcurl. Its setters are variadic, which Swift does not import: typed wrappers stand here.
#ifndef OPENCLAW_CCURL_H
#define OPENCLAW_CCURL_H
#include <curl/curl.h>

static inline CURLcode claw_curl_set_long(CURL *handle, CURLoption option, long value) {
    return curl_easy_setopt(handle, option, value);
}
static inline CURLcode claw_curl_set_text(CURL *handle, CURLoption option, const char *value) {
    return curl_easy_setopt(handle, option, value);
}
static inline CURLcode claw_curl_set_pointer(CURL *handle, CURLoption option, void *value) {
    return curl_easy_setopt(handle, option, value);
}
typedef size_t (*claw_curl_data_callback)(char *, size_t, size_t, void *);
static inline CURLcode claw_curl_set_callback(CURL *handle, CURLoption option, claw_curl_data_callback value) {
    return curl_easy_setopt(handle, option, value);
}
static inline CURLcode claw_curl_status(CURL *handle, long *status) {
    return curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, status);
}
static inline CURLcode claw_curl_microseconds(CURL *handle, CURLINFO info, long *microseconds) {
    curl_off_t value = 0;
    CURLcode code = curl_easy_getinfo(handle, info, &value);
    *microseconds = (long)value;
    return code;
}
/// libcurl keeps its own copy of the body.
static inline CURLcode claw_curl_set_body(CURL *handle, const void *bytes, size_t count) {
    CURLcode code = curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)count);
    return code != CURLE_OK ? code : curl_easy_setopt(handle, CURLOPT_COPYPOSTFIELDS, bytes);
}
#endif
