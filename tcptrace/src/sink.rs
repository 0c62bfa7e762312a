//! Floor 3: where results go. One file an output; each writes bytes to a given writer.

pub mod column;
pub mod comparison;
pub mod csv;
mod digits;
pub mod doctor;
pub mod duration;
pub mod escape;
pub mod histogram;
pub mod json;
pub mod lives;
pub mod notice;
pub mod record;
mod row;
#[cfg(test)]
mod sample;
pub mod stuck;
pub mod text;
pub mod time;
mod words;
pub mod writer;

use std::io;

use crate::engine::update::Update;
use crate::model::summary::Summary;

/// An output.
pub trait Sink {
    /// Takes one piece of news. May buffer; an error of kind `BrokenPipe` means that nobody reads any more.
    ///
    /// # Errors
    /// What the writer says.
    fn update(&mut self, update: &Update<'_>) -> io::Result<()>;

    /// Hands everything buffered to the writer.
    ///
    /// # Errors
    /// What the writer says.
    fn flush(&mut self) -> io::Result<()>;

    /// Writes what belongs at the end, and flushes.
    ///
    /// # Errors
    /// What the writer says.
    fn finish(&mut self, summary: &Summary) -> io::Result<()>;
}
