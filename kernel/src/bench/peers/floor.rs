//! The floor: the least that taking and giving back a page can take, and nothing else.
//!
//! A list through the free pages, interrupts masked around each step. No zones, no checks, no second
//! CPU, no larger blocks: what an allocator takes beyond this is what it does beyond this.

use core::hint::black_box;

use arch_arm::interrupt;
use mm::addr::{Order, PAGE_SIZE};
use workload::Subject;

use super::super::pages::measure_subject;
use super::{FLOOR, Memory, Task};

/// Measures it, for single pages.
///
/// # Safety
///
/// 1. The task's memory is mapped, and nobody else's until this returns.
pub unsafe fn measure(task: &mut Task<'_>, order: Order) {
    if order != Order::ZERO {
        return;
    }
    let mut list = List { first: 0 };
    let Memory { start, bytes } = task.memory;
    for page in (start..start + bytes).step_by(PAGE_SIZE as usize).rev() {
        free(&mut list, page as u32);
    }
    let subject = Pages { list: black_box(&mut list) };
    (task.see)(FLOOR, measure_subject(subject, task.counter, task.operation, task.held));
}

/// The address of the first page, whose first word is the address of the next; 0 for none. All are
/// pages of the task's memory.
struct List {
    first: u32,
}

struct Pages<'a> {
    list: &'a mut List,
}

impl Subject for Pages<'_> {
    type Block = u32;
    type Given<'a>
        = &'a mut List
    where
        Self: 'a;
    type Got = u32;

    #[inline(always)]
    fn given(&mut self) -> &mut List {
        self.list
    }

    #[inline(always)]
    fn get(list: &mut List) -> u32 {
        alloc(list)
    }

    fn block(page: u32) -> Option<u32> {
        (page != 0).then_some(page)
    }

    #[inline(always)]
    fn put(list: &mut List, page: u32) {
        free(list, page);
    }
}

#[inline(never)]
fn alloc(list: &mut List) -> u32 {
    let _no_others = interrupt::mask();
    let page = list.first;
    if page != 0 {
        // SAFETY: a page of the list, whose memory is the list's (`measure`, 1).
        list.first = unsafe { (page as *const u32).read() };
    }
    page
}

#[inline(never)]
fn free(list: &mut List, page: u32) {
    let _no_others = interrupt::mask();
    // SAFETY: a page of the task's memory that nobody holds any more (`measure`, 1).
    unsafe { (page as *mut u32).write(list.first) };
    list.first = page;
}
