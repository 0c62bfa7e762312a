//! Structs to bytes and back, field by field: safe on both sides, and as fast as a copy once inlined.

/// A field type with one fixed size.
pub(super) trait Field: Sized {
    /// Reads it at the start of `bytes`.
    fn take(bytes: &[u8]) -> Option<Self>;
    /// Writes it to the start of `bytes`.
    fn put(&self, bytes: &mut [u8]);
}

macro_rules! number {
    ($($number:ty),*) => {$(
        impl Field for $number {
            #[inline(always)]
            fn take(bytes: &[u8]) -> Option<Self> {
                bytes.first_chunk().map(|chunk| Self::from_ne_bytes(*chunk))
            }

            #[inline(always)]
            fn put(&self, bytes: &mut [u8]) {
                if let Some(chunk) = bytes.first_chunk_mut() {
                    *chunk = self.to_ne_bytes();
                }
            }
        }
    )*};
}

number!(u8, u16, u32, u64, i32);

impl<F: Field + Copy + Default, const N: usize> Field for [F; N] {
    #[inline(always)]
    fn take(bytes: &[u8]) -> Option<Self> {
        let mut all = [F::default(); N];
        for (index, field) in all.iter_mut().enumerate() {
            *field = F::take(bytes.get(index * size_of::<F>()..)?)?;
        }
        Some(all)
    }

    #[inline(always)]
    fn put(&self, bytes: &mut [u8]) {
        for (index, field) in self.iter().enumerate() {
            if let Some(rest) = bytes.get_mut(index * size_of::<F>()..) {
                field.put(rest);
            }
        }
    }
}

/// Gives a `#[repr(C)]` struct `decode` and `encode`.
macro_rules! plain {
    ($(#[$about:meta])* pub struct $name:ident { $($(#[$of_field:meta])* pub $field:ident: $type:ty,)* }) => {
        $(#[$about])*
        pub struct $name {
            $($(#[$of_field])* pub $field: $type,)*
        }

        impl $name {
            /// Reads it; `None` unless `bytes` has exactly its size.
            #[must_use]
            #[inline]
            pub fn decode(bytes: &[u8]) -> Option<Self> {
                let bytes: &[u8; size_of::<Self>()] = bytes.try_into().ok()?;
                Some(Self {
                    $($field: $crate::wire::bytes::Field::take(
                        bytes.get(core::mem::offset_of!(Self, $field)..)?,
                    )?,)*
                })
            }

            /// Its bytes as the other side reads them.
            #[must_use]
            pub fn encode(&self) -> [u8; size_of::<Self>()] {
                let mut bytes = [0; size_of::<Self>()];
                let Self { $($field),* } = self;
                $(if let Some(rest) = bytes.get_mut(core::mem::offset_of!(Self, $field)..) {
                    $crate::wire::bytes::Field::put($field, rest);
                })*
                bytes
            }
        }

        impl $crate::wire::bytes::Field for $name {
            #[inline(always)]
            fn take(bytes: &[u8]) -> Option<Self> {
                Self::decode(bytes.get(..size_of::<Self>())?)
            }

            #[inline(always)]
            fn put(&self, bytes: &mut [u8]) {
                if let Some(room) = bytes.get_mut(..size_of::<Self>()) {
                    room.copy_from_slice(&self.encode());
                }
            }
        }
    };
}

pub(super) use plain;
