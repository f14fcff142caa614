/* What module `counter` has for others. */
#pragma once

/* One more; the number after it. */
unsigned int counter_next(void);
/* The number of calls so far. */
extern unsigned int counter_value;
