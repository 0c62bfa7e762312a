//! The running kernel's type information: where members lie inside its structs.
//!
//! Rust programs carry no CO-RE relocations, so offsets are looked up here at start and handed to the programs as constants. Format:
//! Linux `Documentation/bpf/btf.rst`.

use std::fs;
use std::hash::{Hash as _, Hasher as _};
use std::io;

use rustc_hash::{FxHashMap, FxHasher};

/// Where the kernel shows its BTF.
pub const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

const KIND_ARRAY: u32 = 3;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
const KIND_ENUM: u32 = 6;
const KIND_TYPEDEF: u32 = 8;
const KIND_FUNC_PROTO: u32 = 13;
const KIND_VAR: u32 = 14;
const KIND_DATASEC: u32 = 15;
const KIND_DECL_TAG: u32 = 17;
const KIND_ENUM64: u32 = 19;

/// Members that one lookup may pass, those of unnamed structs included: more than any kernel has, and an end where types hold one another.
const PASSED: u32 = 1 << 16;
/// Bytes of a name at most (Linux `KSYM_NAME_LEN`).
const NAME: usize = 512;

/// Parsed BTF: the position of each type and the strings.
#[derive(Debug)]
pub struct Btf {
    bytes: Vec<u8>,
    /// Start of each type's record in `bytes`; the id is the index plus one.
    types: Vec<u32>,
    strings: usize,
    /// Ids of the first type of each kind and name that can be asked for, by a hash of both.
    names: FxHashMap<u64, u32>,
}

/// Where a member lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Byte that holds its first bit.
    pub byte: u32,
    /// For a bit-field: its bits inside that byte; 0xff for a whole member.
    pub mask: u8,
    /// Its type.
    id: u32,
}

impl Btf {
    /// Reads the running kernel's.
    ///
    /// # Errors
    /// The file is missing (no `CONFIG_DEBUG_INFO_BTF`) or is not BTF.
    pub fn of_this_kernel() -> io::Result<Self> {
        Self::parse(fs::read(VMLINUX)?)
    }

    /// Reads BTF from its bytes, little- or native-endian of this machine.
    ///
    /// # Errors
    /// `InvalidData` when the bytes are not BTF or are cut off.
    pub fn parse(bytes: Vec<u8>) -> io::Result<Self> {
        let bad = || io::Error::new(io::ErrorKind::InvalidData, "not BTF, or cut off");
        let mut btf = Self { bytes, types: Vec::new(), strings: 0, names: FxHashMap::default() };
        if btf.half(0) != Some(0xeb9f) {
            return Err(bad());
        }
        let header = btf.word(4).ok_or_else(bad)?;
        let part =
            |at: u32| -> Option<usize> { (header.checked_add(btf.word(at as usize)?)? as usize).into() };
        let first = part(8).ok_or_else(bad)?;
        let end = first + btf.word(12).ok_or_else(bad)? as usize;
        let strings = part(16).ok_or_else(bad)?;
        if end > btf.bytes.len() || strings > btf.bytes.len() {
            return Err(bad());
        }
        btf.strings = strings;
        let mut at = first;
        while at < end {
            btf.types.push(u32::try_from(at).map_err(|_| bad())?);
            let info = btf.word(at + 4).ok_or_else(bad)?;
            btf.note_name(at, info >> 24 & 0x1f);
            let count = (info & 0xffff) as usize;
            at += 12
                + match info >> 24 & 0x1f {
                    1 | KIND_VAR | KIND_DECL_TAG => 4,
                    KIND_ARRAY => 12,
                    KIND_STRUCT | KIND_UNION | KIND_DATASEC | KIND_ENUM64 => 12 * count,
                    KIND_ENUM | KIND_FUNC_PROTO => 8 * count,
                    _ => 0,
                };
        }
        Ok(btf)
    }

    /// The member `path` (`sk_lock.owned`) of `structure`, through anonymous structs and unions.
    #[must_use]
    pub fn member(&self, structure: &str, path: &str) -> Option<Member> {
        let mut id = self.named(KIND_STRUCT, structure)?;
        let (mut found, mut budget) = (Member { byte: 0, mask: 0xff, id }, PASSED);
        for name in path.split('.') {
            let step = self.search(id, name, 0, &mut budget)?;
            found = Member { byte: found.byte.checked_add(step.byte)?, ..step };
            id = self.resolve(step.id)?;
        }
        Some(found)
    }

    /// Whether a struct of that name exists.
    #[must_use]
    pub fn has_struct(&self, name: &str) -> bool {
        self.named(KIND_STRUCT, name).is_some()
    }

    /// How many arguments the BTF tracepoint `name` has; `None` where the kernel lacks it.
    #[must_use]
    pub fn tracepoint_arguments(&self, name: &str) -> Option<usize> {
        let typedef = self.named(KIND_TYPEDEF, &format!("btf_trace_{name}"))?;
        let pointer = self.target(typedef)?;
        let prototype = self.resolve(self.target(pointer)?)?;
        let count = (self.word(self.position(prototype)? + 4)? & 0xffff) as usize;
        // The first one is the tracepoint's own data pointer.
        count.checked_sub(1)
    }

    /// The names and numbers of an enum.
    #[must_use]
    pub fn enumerators(&self, name: &str) -> Vec<(String, u32)> {
        let Some(at) = self.named(KIND_ENUM, name).and_then(|id| self.position(id)) else {
            return Vec::new();
        };
        let count = self.word(at + 4).unwrap_or(0) & 0xffff;
        (0..count as usize)
            .filter_map(|index| {
                let entry = at + 12 + 8 * index;
                Some((self.string(self.word(entry)?)?.to_owned(), self.word(entry + 4)?))
            })
            .collect()
    }

    /// Looks `name` up among the members of `id`, descending into unnamed ones.
    fn search(&self, id: u32, name: &str, depth: u8, budget: &mut u32) -> Option<Member> {
        let at = self.position(id)?;
        let info = self.word(at + 4)?;
        if !matches!(info >> 24 & 0x1f, KIND_STRUCT | KIND_UNION) || depth > 8 {
            return None;
        }
        let has_bit_sizes = info >> 31 == 1;
        (0..(info & 0xffff) as usize).find_map(|index| {
            *budget = budget.checked_sub(1)?;
            let entry = at + 12 + 12 * index;
            let (label, kind, offset) =
                (self.string(self.word(entry)?)?, self.word(entry + 4)?, self.word(entry + 8)?);
            let (bit, bits) = if has_bit_sizes { (offset & 0x00ff_ffff, offset >> 24) } else { (offset, 0) };
            if label == name {
                let mask =
                    if bits == 0 { 0xff } else { (((1u32 << bits.min(8)) - 1) << (bit % 8) & 0xff) as u8 };
                return Some(Member { byte: bit / 8, mask, id: kind });
            }
            if !label.is_empty() {
                return None;
            }
            let inner = self.search(self.resolve(kind)?, name, depth + 1, budget)?;
            Some(Member { byte: inner.byte.checked_add(bit / 8)?, ..inner })
        })
    }

    /// Remembers the type at `at` by its name, if it is of a kind that is asked for by name.
    fn note_name(&mut self, at: usize, kind: u32) {
        if !matches!(kind, KIND_STRUCT | KIND_ENUM | KIND_TYPEDEF) {
            return;
        }
        let (Some(offset), Ok(id)) = (self.word(at), u32::try_from(self.types.len())) else { return };
        let rest = self.bytes.get(self.strings + offset as usize..).unwrap_or_default();
        let rest = rest.get(..NAME).unwrap_or(rest);
        let name = rest.split(|byte| *byte == 0).next().unwrap_or_default();
        if !name.is_empty() {
            let key = hash(kind, name);
            self.names.entry(key).or_insert(id);
        }
    }

    /// The first type of that kind and name.
    fn named(&self, kind: u32, name: &str) -> Option<u32> {
        let id = *self.names.get(&hash(kind, name.as_bytes()))?;
        let at = self.position(id)?;
        // Another name may have the same hash.
        (self.word(at + 4)? >> 24 & 0x1f == kind && self.is_string(self.word(at)?, name)).then_some(id)
    }

    /// Through typedefs, const, volatile, restrict and type tags to what is meant.
    fn resolve(&self, mut id: u32) -> Option<u32> {
        for _ in 0..16 {
            match self.word(self.position(id)? + 4)? >> 24 & 0x1f {
                KIND_TYPEDEF | 9 | 10 | 11 | 18 => id = self.target(id)?,
                _ => return Some(id),
            }
        }
        None
    }

    fn target(&self, id: u32) -> Option<u32> {
        self.word(self.position(id)? + 8)
    }

    fn position(&self, id: u32) -> Option<usize> {
        self.types.get((id as usize).checked_sub(1)?).map(|at| *at as usize)
    }

    fn string(&self, offset: u32) -> Option<&str> {
        let rest = self.bytes.get(self.strings + offset as usize..)?;
        let end = rest.iter().position(|byte| *byte == 0)?;
        std::str::from_utf8(&rest[..end]).ok()
    }

    fn is_string(&self, offset: u32, name: &str) -> bool {
        let start = self.strings + offset as usize;
        self.bytes.get(start..start + name.len()) == Some(name.as_bytes())
            && self.bytes.get(start + name.len()) == Some(&0)
    }

    fn word(&self, at: usize) -> Option<u32> {
        self.bytes.get(at..)?.first_chunk().map(|chunk| u32::from_ne_bytes(*chunk))
    }

    fn half(&self, at: usize) -> Option<u16> {
        self.bytes.get(at..)?.first_chunk().map(|chunk| u16::from_ne_bytes(*chunk))
    }
}

fn hash(kind: u32, name: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    (kind, name).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_kernels_struct_sock_has_the_members_that_never_move() {
        let Ok(btf) = Btf::of_this_kernel() else {
            eprintln!("skipped: this kernel shows no BTF");
            return;
        };
        // struct sock_common has kept its first members for many years.
        assert_eq!(btf.member("sock_common", "skc_daddr").map(|m| m.byte), Some(0));
        assert_eq!(btf.member("sock_common", "skc_num").map(|m| m.byte), Some(14));
        let owned = btf.member("sock", "sk_lock.owned").expect("a nested member");
        assert_eq!(owned.mask, 0xff);
        assert!(owned.byte > btf.member("sock", "sk_lock").expect("its parent").byte);
        assert!(btf.member("tcp_sock", "syn_fastopen_child").is_some_and(|m| m.mask.count_ones() == 1));
        assert_eq!(btf.tracepoint_arguments("inet_sock_set_state"), Some(3));
        assert_eq!(btf.tracepoint_arguments("no_such_tracepoint"), None);
        assert_eq!(btf.member("sock", "sk_no_such_thing"), None);
    }

    /// BTF of one struct `sock` with `unnamed` members of its own type and a last one, `x`, all at bit `offset`.
    fn of_itself(unnamed: u32, offset: u32) -> Vec<u8> {
        let strings = b"\0sock\0x\0";
        let members = (0..unnamed).map(|_| 0).chain([6]).flat_map(|name| [name, 1, offset]);
        let types: Vec<u32> = [1, KIND_STRUCT << 24 | (unnamed + 1), 8].into_iter().chain(members).collect();
        let length = u32::try_from(4 * types.len()).unwrap();
        let header = [0x0001_eb9f, 24, 0, length, length, u32::try_from(strings.len()).unwrap()];
        let words = header.iter().chain(&types).flat_map(|word| word.to_ne_bytes());
        words.chain(*strings).collect()
    }

    #[test]
    fn a_struct_that_holds_itself_is_searched_in_no_time_and_to_no_offset() {
        let btf = Btf::parse(of_itself(1000, 8)).unwrap();
        assert_eq!(btf.member("sock", "sk_uid"), None);
        let btf = Btf::parse(of_itself(1, 800)).unwrap();
        assert_eq!(btf.member("sock", "x").map(|member| member.byte), Some(900));
        // Nine times 512 MiB are no offset: the outermost one is.
        let btf = Btf::parse(of_itself(1, u32::MAX)).unwrap();
        assert_eq!(btf.member("sock", "x").map(|member| member.byte), Some(u32::MAX / 8));
    }

    #[test]
    fn garbage_is_refused() {
        for bytes in [
            &b""[..],
            b"\x9f\xeb",
            &[0x9f, 0xeb, 1, 0, 24, 0, 0, 0, 255, 255, 255, 255, 1, 0, 0, 0, 0, 0, 0, 0],
        ] {
            assert!(Btf::parse(bytes.to_vec()).is_err());
        }
    }
}
