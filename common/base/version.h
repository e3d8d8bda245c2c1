#ifndef COMMON_VERSION_H
#define COMMON_VERSION_H
// What `git describe` said when this was built, for --version, logs and build info.
extern const char bc_version[];
#endif
