//! Modules that count their own uses: `try_module_get`, `module_put`.
//!
//! `struct module *` is an address in the module, of whatever `THIS_MODULE` has there; nobody looks into it. Which
//! module that is, its address says.

use core::ffi::c_void;

use super::c::{address, complain_of};
use super::exports;
use crate::modules::loaded;

exports![module_put, module_refcount, try_module_get];

/// `bool try_module_get(struct module *module)`: one use more, so that it stays; `false` if it is going, or is none. NULL,
/// the kernel's own code, always stays. Any context.
extern "C" fn try_module_get(module: *const c_void) -> bool {
    module.is_null() || loaded::hold(address(module))
}

/// `void module_put(struct module *module)`: one use less. Any context.
extern "C" fn module_put(module: *const c_void) {
    if !module.is_null() && !loaded::let_go(address(module)) {
        complain_of("module_put", module, "in no module that is in use");
    }
}

/// `int module_refcount(struct module *module)`: how many uses it counts; 0 of what is none. Any context.
extern "C" fn module_refcount(module: *const c_void) -> i32 {
    i32::try_from(loaded::uses(address(module))).unwrap_or(i32::MAX)
}
