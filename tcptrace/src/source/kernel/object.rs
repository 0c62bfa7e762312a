//! What the loaded object holds, by name.

use std::borrow::Cow;

use aya::Ebpf;
use aya::programs::{Program, ProgramError};

use super::error::AttachError;

/// Takes a map out of the loaded object.
pub(super) fn take<M>(ebpf: &mut Ebpf, name: &str) -> Result<M, AttachError>
where
    M: TryFrom<aya::maps::Map, Error = aya::maps::MapError>,
{
    M::try_from(take_map(ebpf, name)?)
        .map_err(|error| AttachError::of(&format!("opening the map `{name}`"), &error))
}

/// The same, of whatever type.
pub(super) fn take_map(ebpf: &mut Ebpf, name: &str) -> Result<aya::maps::Map, AttachError> {
    ebpf.take_map(name).ok_or_else(|| no_map(name))
}

pub(super) fn no_map(name: &str) -> AttachError {
    AttachError::Failed(format!("the eBPF object has no map `{name}`: rebuild it with `cargo xtask ebpf`"))
}

/// A program of the loaded object.
pub(super) fn program_of<'a, P>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut P, ProgramError>
where
    &'a mut P: TryFrom<&'a mut Program, Error = ProgramError>,
{
    let missing = || {
        ProgramError::IOError(std::io::Error::other(Cow::from(format!(
            "the eBPF object has no program `{name}`: rebuild it with `cargo xtask ebpf`"
        ))))
    };
    ebpf.program_mut(name).ok_or_else(missing)?.try_into()
}
