/* openapi.h - proto/openapi.yaml as JSON, embedded at build time. */
#ifndef TENGEN_API_OPENAPI_H
#define TENGEN_API_OPENAPI_H

#include <stddef.h>

extern const unsigned char openapi_json[];
extern const size_t openapi_json_size;

#endif
