/* What stands for a page frame. */
#pragma once

/* Only a pointer to one is of use, as a frame's name: pages side by side are page_to_pfn apart, not `+ 1`. */
struct page;
