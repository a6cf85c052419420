// The only door to libyaml.
#ifndef OPENCLAW_CYAML_H
#define OPENCLAW_CYAML_H
#include <yaml.h>
#endif
