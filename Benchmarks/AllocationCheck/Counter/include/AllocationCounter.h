// Counts what this process allocates, by standing in front of the C library's allocator. For the allocation check only.
#ifndef OPENCLAW_ALLOCATION_COUNTER_H
#define OPENCLAW_ALLOCATION_COUNTER_H

/// Allocations since the process began.
long allocation_count(void);

#endif
