//! The first steps up a stack by the unwind tables of the binaries (`.eh_frame`), where the chain of frame pointers has gaps: a C
//! library's system call wrapper has no frame of its own, so the chain misses the function that called it.
//!
//! Only as far as the bytes at the top of the stack go that the kernel half has kept. x86-64; elsewhere there is the chain alone.

use std::fs::File;
use std::path::Path;

use gimli::{
    BaseAddresses, CfaRule, CommonInformationEntry, EhFrame, EhFrameHdr, EhFrameOffset, LittleEndian,
    Register, RegisterRule, UnwindContext, UnwindSection as _, X86_64,
};
use object::read::elf::ElfFile64;
use object::{Object as _, ObjectSection as _, ObjectSegment as _, ReadCache};

type Slice<'a> = gimli::EndianSlice<'a, LittleEndian>;

/// Larger unwind tables are left alone; those of a browser have some 20 MB.
const LARGEST: u64 = 128 << 20;

/// The unwind tables of one binary. Its file is not kept open.
#[derive(Debug)]
pub struct Tables {
    frames: Section,
    index: Option<Section>,
    text: u64,
    /// File offset, length and address of each part that is mapped.
    segments: Vec<(u64, u64, u64)>,
}

#[derive(Debug)]
struct Section {
    address: u64,
    bytes: Vec<u8>,
}

impl Tables {
    /// Reads those of a 64-bit little-endian binary; `None` where there are none.
    #[must_use]
    pub fn read(path: &Path) -> Option<Self> {
        let cache = ReadCache::new(File::open(path).ok()?);
        let elf = ElfFile64::<object::Endianness, _>::parse(&cache).ok()?;
        let section = |name: &str| {
            let section = elf.section_by_name(name).filter(|section| section.size() <= LARGEST)?;
            Some(Section { address: section.address(), bytes: section.data().ok()?.to_vec() })
        };
        let segments = elf.segments().map(|segment| {
            let (offset, size) = segment.file_range();
            (offset, size, segment.address())
        });
        Some(Self {
            frames: section(".eh_frame")?,
            index: section(".eh_frame_hdr"),
            text: elf.section_by_name(".text").map_or(0, |text| text.address()),
            segments: segments.collect(),
        })
    }

    /// The binary's own address of a place in its file.
    fn address(&self, file_offset: u64) -> Option<u64> {
        self.segments.iter().find_map(|(offset, size, address)| {
            let into = file_offset.checked_sub(*offset)?;
            (into < *size).then(|| address + into)
        })
    }

    /// How to get from the code at `file_offset` to its caller.
    fn rule(&self, file_offset: u64) -> Option<Rule> {
        let address = self.address(file_offset)?;
        let frames = EhFrame::new(&self.frames.bytes, LittleEndian);
        let mut bases = BaseAddresses::default().set_eh_frame(self.frames.address).set_text(self.text);
        let mut context = UnwindContext::new();
        let row = match &self.index {
            Some(index) => {
                bases = bases.set_eh_frame_hdr(index.address);
                let header = EhFrameHdr::new(&index.bytes, LittleEndian).parse(&bases, 8).ok()?;
                header.table()?.unwind_info_for_address(&frames, &bases, &mut context, address, cie)
            }
            None => frames.unwind_info_for_address(&bases, &mut context, address, cie),
        }
        .ok()?;
        let &CfaRule::RegisterAndOffset { register, offset } = row.cfa() else { return None };
        let from_bp = match register {
            X86_64::RSP => false,
            X86_64::RBP => true,
            _ => return None,
        };
        let saved = |register: Register| match row.register(register) {
            None | Some(RegisterRule::SameValue) => Some(Saved::Kept),
            Some(RegisterRule::Undefined) => Some(Saved::Lost),
            Some(RegisterRule::Offset(offset)) => Some(Saved::At(offset)),
            Some(_) => None,
        };
        Some(Rule { from_bp, offset, back: saved(X86_64::RA)?, bp: saved(X86_64::RBP)? })
    }
}

fn cie<'a>(
    section: &EhFrame<Slice<'a>>,
    bases: &BaseAddresses,
    offset: EhFrameOffset,
) -> gimli::Result<CommonInformationEntry<Slice<'a>>> {
    section.cie_from_offset(bases, offset)
}

/// Where the caller's registers are, counted from the frame's base.
struct Rule {
    from_bp: bool,
    offset: i64,
    back: Saved,
    bp: Saved,
}

enum Saved {
    At(i64),
    Kept,
    Lost,
}

/// Why the steps ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Where a thread begins: the tables say that there is no caller.
    Bottom,
    /// The bytes of the stack that were kept.
    Bytes,
    /// Code without unwind tables, or with rules that are not understood.
    Tables,
}

/// The top of a stack when a system call was made.
#[derive(Clone, Copy, Debug)]
pub struct Top<'a> {
    /// The stack pointer.
    pub sp: u64,
    /// The frame pointer's register.
    pub bp: u64,
    /// What lies from `sp` upwards.
    pub bytes: &'a [u8],
}

impl Top<'_> {
    fn word(&self, address: u64) -> Option<u64> {
        let at = usize::try_from(address.checked_sub(self.sp)?).ok()?;
        let bytes = self.bytes.get(at..)?.first_chunk()?;
        Some(u64::from_le_bytes(*bytes))
    }
}

/// Fills the gaps of a chain of frame pointers, `chain`, and says whether the result surely goes to where the thread begins. `tables`
/// gives the tables behind an address and the place in their file.
#[must_use]
pub fn fill<'t>(
    chain: &[u64],
    top: &Top<'_>,
    tables: &mut dyn FnMut(u64) -> Option<(&'t Tables, u64)>,
) -> (Vec<u64>, bool) {
    let Some(first) = chain.first() else { return (Vec::new(), false) };
    let (steps, end) = climb(*first, top, tables);
    for (index, step) in steps.iter().enumerate().skip(1) {
        if let Some(at) = chain.iter().skip(1).position(|address| address == step) {
            let (inner, outer) = (steps.iter().take(index), chain.iter().skip(at + 1));
            return (inner.chain(outer).copied().collect(), false);
        }
    }
    // Had the chain's first link been in the bytes, the steps would have met it: then the register held something else.
    let seen = top.word(top.bp.wrapping_add(8)).is_some();
    let trust = match end {
        End::Bottom => false,
        End::Bytes => !seen,
        End::Tables => true,
    };
    let outer = chain.iter().skip(1).filter(|_| trust);
    (steps.iter().chain(outer).copied().collect(), end == End::Bottom)
}

fn climb<'t>(
    first: u64,
    top: &Top<'_>,
    tables: &mut dyn FnMut(u64) -> Option<(&'t Tables, u64)>,
) -> (Vec<u64>, End) {
    let (mut ip, mut sp, mut bp) = (first, top.sp, Some(top.bp));
    let mut steps = vec![first];
    // Each step goes up by a word at least.
    while steps.len() <= top.bytes.len() / 8 {
        // A return address may be the first of the next function.
        let inside = if steps.len() == 1 { ip } else { ip.wrapping_sub(1) };
        let Some((tables, place)) = tables(inside) else { return (steps, End::Tables) };
        let Some(rule) = tables.rule(place) else { return (steps, End::Tables) };
        let base = if rule.from_bp { bp } else { Some(sp) };
        let Some(base) = base.map(|base| base.wrapping_add_signed(rule.offset)) else {
            return (steps, End::Tables);
        };
        let back = match rule.back {
            Saved::At(offset) => top.word(base.wrapping_add_signed(offset)),
            Saved::Kept => return (steps, End::Tables),
            Saved::Lost => return (steps, End::Bottom),
        };
        let Some(back) = back else { return (steps, End::Bytes) };
        if back == 0 {
            return (steps, End::Bottom);
        }
        bp = match rule.bp {
            Saved::At(offset) => top.word(base.wrapping_add_signed(offset)),
            Saved::Kept => bp,
            Saved::Lost => None,
        };
        if base <= sp {
            return (steps, End::Tables);
        }
        (ip, sp) = (back, base);
        steps.push(ip);
    }
    (steps, End::Bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_: u64) -> Option<(&'static Tables, u64)> {
        None
    }

    #[test]
    fn without_tables_the_chain_stays_as_it_is() {
        let top = Top { sp: 0x1000, bp: 0x1010, bytes: &[0; 64] };
        assert_eq!(fill(&[1, 2, 3], &top, &mut nothing), (vec![1, 2, 3], false));
        assert_eq!(fill(&[], &top, &mut nothing), (vec![], false));
    }

    #[test]
    fn this_very_binary_has_rules_for_its_code() {
        let tables = Tables::read(Path::new("/proc/self/exe")).unwrap();
        let now = crate::source::clock::now();
        let own = crate::source::mappings::Mappings::read(std::process::id(), now).unwrap();
        let address = nothing as fn(u64) -> Option<(&'static Tables, u64)> as usize as u64;
        let mapping = own.at(address).unwrap();
        let rule = tables.rule(address - mapping.start + mapping.offset).unwrap();
        // On its first instruction nothing has been pushed but the return address.
        assert!(!rule.from_bp && rule.offset == 8 && matches!(rule.back, Saved::At(-8)));
    }
}
