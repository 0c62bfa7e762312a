//! The kernel half of tcptrace.
#![no_std]
