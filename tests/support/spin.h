#ifndef SUPPORT_SPIN_H
#define SUPPORT_SPIN_H
// Turning a loop by hand until something came true.

#include <stdbool.h>
#include <stdint.h>

#include "common/io/loop.h"

// Real milliseconds from now, after which a test gives up; longer under sanitizers.
int64_t spin_deadline(int64_t ms);
// One turn of the loop. False when the deadline has passed.
bool spin_turn(struct loop *l, int64_t deadline);
// Turns the loop for that long, whatever happens (only to show that something does NOT happen).
void spin_for(struct loop *l, int64_t ms);

// For Criterion tests: turns until `cond`, fails the test after 10 s.
#define UNTIL(l, cond)                                                                             \
    do {                                                                                           \
        int64_t until_ = spin_deadline(10000);                                                     \
        while (!(cond) && spin_turn((l), until_)) {                                                \
        }                                                                                          \
        cr_assert((cond), "never came true: %s", #cond);                                           \
    } while (0)

#endif
