//! coherent
