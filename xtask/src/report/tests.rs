//! The page as text: it is whole, and fetches nothing.
