//! ZIP files in memory: the members of `.dbc` archives and XLSX documents, and an archive with some members replaced.
//!
//! Only what those two hold: stored and deflated members, up to 4 GiB. Encrypted members, ZIP64 and other methods are refused by name.
//! What is not replaced is copied as it is packed. A small reader of our own, because the usual crate changes features of crates that
//! everything else stands on.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use flate2::Compression;
use flate2::Crc;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

/// Why an archive cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PackedError(pub String);

fn broken(what: &str) -> PackedError {
    PackedError(format!("it is no ZIP file, or is broken: {what}"))
}

/// A member of an archive.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its name, with `/`.
    pub name: String,
    /// Bytes once unpacked, as the archive says.
    pub size: u64,
    /// Bytes as packed.
    pub packed_size: u64,
    method: u16,
    flags: u16,
    crc: u32,
    /// Where its local header begins.
    local: usize,
    /// Its entry in the directory.
    entry: std::ops::Range<usize>,
}

impl Member {
    /// Whether it is a folder.
    pub fn is_folder(&self) -> bool {
        self.name.ends_with('/')
    }
}

/// An archive in memory.
#[derive(Debug)]
pub struct Archive<'b> {
    bytes: &'b [u8],
    members: Vec<Member>,
    /// What follows the directory: the record of the end and its comment.
    end: std::ops::Range<usize>,
}

fn number16(bytes: &[u8], at: usize) -> Result<u16, PackedError> {
    let pair = bytes
        .get(at..at + 2)
        .ok_or_else(|| broken("it ends too early"))?;
    Ok(u16::from_le_bytes([pair[0], pair[1]]))
}

fn number32(bytes: &[u8], at: usize) -> Result<u32, PackedError> {
    let four = bytes
        .get(at..at + 4)
        .ok_or_else(|| broken("it ends too early"))?;
    Ok(u32::from_le_bytes([four[0], four[1], four[2], four[3]]))
}

const LOCAL: u32 = 0x0403_4b50;
const ENTRY: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const LOCAL_LENGTH: usize = 30;
const ENTRY_LENGTH: usize = 46;
const END_LENGTH: usize = 22;

impl<'b> Archive<'b> {
    /// Reads the directory of an archive.
    pub fn read(bytes: &'b [u8]) -> Result<Self, PackedError> {
        let first = bytes.len().saturating_sub(END_LENGTH + 65_535);
        let at = (first..=bytes.len().saturating_sub(END_LENGTH))
            .rev()
            .find(|at| number32(bytes, *at).is_ok_and(|mark| mark == END))
            .ok_or_else(|| broken("it has no directory"))?;
        let count = number16(bytes, at + 10)?;
        let start = number32(bytes, at + 16)?;
        if count == u16::MAX || start == u32::MAX {
            return Err(PackedError(
                "it is a ZIP64 file, which karat does not read".to_owned(),
            ));
        }
        let mut members = Vec::with_capacity(usize::from(count));
        let mut next = start as usize;
        for _ in 0..count {
            if number32(bytes, next)? != ENTRY {
                return Err(broken("its directory has a gap"));
            }
            let [name_length, extra, comment] =
                [28, 30, 32].map(|offset| number16(bytes, next + offset));
            let name_length = usize::from(name_length?);
            let length = ENTRY_LENGTH + name_length + usize::from(extra?) + usize::from(comment?);
            let name = bytes
                .get(next + ENTRY_LENGTH..next + ENTRY_LENGTH + name_length)
                .ok_or_else(|| broken("it ends too early"))?;
            members.push(Member {
                name: String::from_utf8_lossy(name).replace('\\', "/"),
                size: number32(bytes, next + 24)?.into(),
                packed_size: number32(bytes, next + 20)?.into(),
                method: number16(bytes, next + 10)?,
                flags: number16(bytes, next + 8)?,
                crc: number32(bytes, next + 16)?,
                local: number32(bytes, next + 42)? as usize,
                entry: next..next + length,
            });
            next += length;
        }
        bytes
            .get(..next)
            .ok_or_else(|| broken("it ends too early"))?;
        Ok(Self {
            bytes,
            members,
            end: at..bytes.len(),
        })
    }

    /// Its members, in the order of the directory.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The member of a name.
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name)
    }

    fn local_length(&self, member: &Member) -> Result<usize, PackedError> {
        if number32(self.bytes, member.local)? != LOCAL {
            return Err(broken(&format!(
                "`{}` is not where the directory says",
                member.name
            )));
        }
        let name = number16(self.bytes, member.local + 26)?;
        let extra = number16(self.bytes, member.local + 28)?;
        Ok(LOCAL_LENGTH + usize::from(name) + usize::from(extra))
    }

    fn packed(&self, member: &Member) -> Result<&'b [u8], PackedError> {
        let start = member.local + self.local_length(member)?;
        let length =
            usize::try_from(member.packed_size).map_err(|_| broken("a size is too large"))?;
        self.bytes
            .get(start..start.saturating_add(length))
            .ok_or_else(|| broken(&format!("`{}` ends too early", member.name)))
    }

    /// The bytes of a member; at most `limit`, whatever the archive says.
    pub fn unpack(&self, member: &Member, limit: u64) -> Result<Vec<u8>, PackedError> {
        if member.flags & 1 != 0 {
            return Err(PackedError(format!("`{}` is encrypted", member.name)));
        }
        let packed = self.packed(member)?;
        let mut bytes = Vec::new();
        match member.method {
            0 => bytes.extend_from_slice(packed),
            8 => {
                DeflateDecoder::new(packed)
                    .take(limit.saturating_add(1))
                    .read_to_end(&mut bytes)
                    .map_err(|error| broken(&format!("`{}`: {error}", member.name)))?;
            }
            other => {
                return Err(PackedError(format!(
                    "`{}` is packed by method {other}, which karat does not read",
                    member.name
                )));
            }
        }
        if bytes.len() as u64 > limit {
            return Err(PackedError(format!(
                "`{}` is larger than {limit} bytes",
                member.name
            )));
        }
        let mut crc = Crc::new();
        crc.update(&bytes);
        if crc.sum() != member.crc {
            return Err(broken(&format!(
                "`{}` is damaged (its check sum differs)",
                member.name
            )));
        }
        Ok(bytes)
    }

    /// The archive with some members replaced; the others are copied as they are packed.
    pub fn with_replaced(
        &self,
        replaced: &BTreeMap<String, Vec<u8>>,
    ) -> Result<Vec<u8>, PackedError> {
        let mut result = Vec::with_capacity(self.bytes.len());
        let mut directory = Vec::new();
        for member in &self.members {
            let local = result.len();
            let length = self.local_length(member)?;
            let header = self
                .bytes
                .get(member.local..member.local.saturating_add(length));
            let mut header = header
                .ok_or_else(|| broken(&format!("`{}` ends too early", member.name)))?
                .to_vec();
            let mut entry = self.bytes[member.entry.clone()].to_vec();
            // Sizes stand in the header from here on, not behind the data.
            let flags = member.flags & !8;
            let (method, crc, packed, size) = match replaced.get(&member.name) {
                None => (
                    member.method,
                    member.crc,
                    self.packed(member)?.to_vec(),
                    member.size,
                ),
                Some(bytes) => {
                    let mut crc = Crc::new();
                    crc.update(bytes);
                    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
                    let packed = encoder
                        .write_all(bytes)
                        .and_then(|()| encoder.finish())
                        .map_err(|error| {
                            PackedError(format!("`{}` cannot be packed: {error}", member.name))
                        })?;
                    (8, crc.sum(), packed, bytes.len() as u64)
                }
            };
            let small = |number: u64| {
                u32::try_from(number)
                    .map_err(|_| PackedError("it would be larger than 4 GiB".to_owned()))
            };
            let (packed_size, size, offset) = (
                small(packed.len() as u64)?,
                small(size)?,
                small(local as u64)?,
            );
            for (target, first) in [(&mut header, 6), (&mut entry, 8)] {
                target[first..first + 2].copy_from_slice(&flags.to_le_bytes());
                target[first + 2..first + 4].copy_from_slice(&method.to_le_bytes());
                target[first + 8..first + 12].copy_from_slice(&crc.to_le_bytes());
                target[first + 12..first + 16].copy_from_slice(&packed_size.to_le_bytes());
                target[first + 16..first + 20].copy_from_slice(&size.to_le_bytes());
            }
            entry[42..46].copy_from_slice(&offset.to_le_bytes());
            result.extend_from_slice(&header);
            result.extend_from_slice(&packed);
            directory.extend_from_slice(&entry);
        }
        let start = u32::try_from(result.len())
            .map_err(|_| PackedError("it would be larger than 4 GiB".to_owned()))?;
        let length = u32::try_from(directory.len())
            .map_err(|_| PackedError("it would be larger than 4 GiB".to_owned()))?;
        let mut end = self.bytes[self.end.clone()].to_vec();
        end[12..16].copy_from_slice(&length.to_le_bytes());
        end[16..20].copy_from_slice(&start.to_le_bytes());
        result.extend_from_slice(&directory);
        result.extend_from_slice(&end);
        Ok(result)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An archive of these members, packed.
    pub(crate) fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
        let (mut result, mut directory) = (Vec::new(), Vec::new());
        for (name, _) in members {
            let header = |mark: u32, lead: &[u8]| {
                let mut bytes = mark.to_le_bytes().to_vec();
                bytes.extend_from_slice(lead);
                bytes.extend_from_slice(&[0; 22]);
                bytes.extend_from_slice(&(name.len() as u16).to_le_bytes());
                bytes.extend_from_slice(&[0; 2]);
                bytes
            };
            let local = result.len() as u32;
            let mut head = header(LOCAL, &[]);
            head.truncate(LOCAL_LENGTH);
            head[26..28].copy_from_slice(&(name.len() as u16).to_le_bytes());
            head[28..30].fill(0);
            head.extend_from_slice(name.as_bytes());
            let mut entry = vec![0; ENTRY_LENGTH];
            entry[..4].copy_from_slice(&ENTRY.to_le_bytes());
            entry[28..30].copy_from_slice(&(name.len() as u16).to_le_bytes());
            entry[42..46].copy_from_slice(&local.to_le_bytes());
            entry.extend_from_slice(name.as_bytes());
            result.extend_from_slice(&head);
            directory.extend_from_slice(&entry);
        }
        let start = result.len() as u32;
        result.extend_from_slice(&directory);
        let mut end = vec![0; END_LENGTH];
        end[..4].copy_from_slice(&END.to_le_bytes());
        end[10..12].copy_from_slice(&(members.len() as u16).to_le_bytes());
        end[16..20].copy_from_slice(&start.to_le_bytes());
        result.extend_from_slice(&end);
        let replaced = members
            .iter()
            .map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec()))
            .collect();
        Archive::read(&result)
            .expect("an archive")
            .with_replaced(&replaced)
            .expect("an archive")
    }

    #[test]
    fn members_are_read_and_replaced() {
        let bytes = archive(&[("a/b.python", b"one one one one"), ("c.sql", b"two")]);
        let read = Archive::read(&bytes).expect("an archive");
        let text = |archive: &Archive<'_>, name: &str| {
            let member = archive.member(name).expect("a member").clone();
            String::from_utf8(archive.unpack(&member, 100).expect("its bytes")).expect("text")
        };
        assert_eq!(text(&read, "a/b.python"), "one one one one");
        let changed = read
            .with_replaced(&BTreeMap::from([("c.sql".to_owned(), b"three".to_vec())]))
            .expect("an archive");
        let changed = Archive::read(&changed).expect("an archive");
        assert_eq!(
            (text(&changed, "a/b.python"), text(&changed, "c.sql")),
            ("one one one one".to_owned(), "three".to_owned())
        );
        let first = read.members()[0].clone();
        assert!(read.unpack(&first, 10).is_err());
    }

    #[test]
    fn broken_archives_are_told() {
        let bytes = archive(&[("a", b"one one one one")]);
        for cut in 0..bytes.len() {
            if let Ok(archive) = Archive::read(&bytes[..cut]) {
                for member in archive.members() {
                    let _ = archive.unpack(member, 100);
                }
            }
        }
        for flip in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[flip] ^= 0x55;
            if let Ok(archive) = Archive::read(&bytes) {
                for member in archive.members() {
                    let _ = archive.unpack(member, 100);
                }
                let _ = archive.with_replaced(&BTreeMap::new());
            }
        }
        assert_eq!(
            Archive::read(b"PK").expect_err("no archive").to_string(),
            "it is no ZIP file, or is broken: it has no directory"
        );
    }
}
