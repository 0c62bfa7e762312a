//! lives
