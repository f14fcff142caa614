//! Zones: which frames a device, the kernel or a user page may have.
