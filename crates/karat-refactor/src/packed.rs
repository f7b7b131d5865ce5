//! ZIP files in memory, read and written with the crate `zip`: the members of `.dbc` archives, and an archive with some members replaced.
//!
//! What is ours is what a person is told, and what is refused: encrypted members, methods other than stored and deflated, two members of one
//! name, more bytes than a limit. What is not replaced is copied as it is packed, with its time, attributes, comment and extra fields; a
//! replaced member keeps them all but extra fields other than its time. Data descriptors become sizes in the header. No clock is read.

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};

use zip::result::ZipError;
use zip::{CompressionMethod, DateTime, ExtraField, ZipArchive, ZipWriter};

/// Why an archive cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PackedError(pub String);

fn broken(what: &str) -> PackedError {
    PackedError(format!("it is no ZIP file, or is broken: {what}"))
}

/// What `zip` says of an archive, in our words.
fn told(error: ZipError) -> PackedError {
    match error {
        ZipError::InvalidArchive(what) => broken(&what),
        other => broken(&other.to_string()),
    }
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
    /// Its place in the directory.
    index: usize,
}

impl Member {
    /// Whether it is a folder.
    pub fn is_folder(&self) -> bool {
        self.name.ends_with('/')
    }
}

/// An archive in memory.
#[derive(Debug)]
pub struct Archive<B> {
    archive: ZipArchive<Cursor<B>>,
    members: Vec<Member>,
}

impl<B: AsRef<[u8]> + Clone> Archive<B> {
    /// Reads the directory of an archive.
    pub fn read(bytes: B) -> Result<Self, PackedError> {
        const END: &[u8] = b"PK\x05\x06";
        if !bytes
            .as_ref()
            .windows(END.len())
            .any(|window| window == END)
        {
            return Err(broken("it has no directory"));
        }
        let archive = ZipArchive::new(Cursor::new(bytes)).map_err(told)?;
        if archive.has_duplicate_names() {
            return Err(broken("two of its members have the same name"));
        }
        let members = (0..archive.len())
            .map(|index| {
                let entry = archive.by_index_data(index).map_err(told)?;
                Ok(Member {
                    name: String::from_utf8_lossy(entry.name_raw()).replace('\\', "/"),
                    size: entry.size(),
                    packed_size: entry.compressed_size(),
                    index,
                })
            })
            .collect::<Result<_, PackedError>>()?;
        Ok(Self { archive, members })
    }

    /// Its members, in the order of the directory.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The bytes of a member; at most `limit`, whatever the archive says.
    pub fn unpack(&self, member: &Member, limit: u64) -> Result<Vec<u8>, PackedError> {
        let entry = self.archive.by_index_data(member.index).map_err(told)?;
        if entry.encrypted() {
            return Err(PackedError(format!("`{}` is encrypted", member.name)));
        }
        #[allow(
            deprecated,
            reason = "the only way to the number of a method that is not known"
        )]
        if let CompressionMethod::Unsupported(method) = entry.compression() {
            return Err(PackedError(format!(
                "`{}` is packed by method {method}, which karat does not read",
                member.name
            )));
        }
        let mut bytes = Vec::new();
        // A copy shares the directory; it only has a position of its own.
        self.archive
            .clone()
            .by_index(member.index)
            .map_err(told)?
            .take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|error| broken(&format!("`{}`: {error}", member.name)))?;
        if bytes.len() as u64 > limit {
            return Err(PackedError(format!(
                "`{}` is larger than {limit} bytes",
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
        let mut archive = self.archive.clone();
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        writer
            .set_raw_comment(archive.comment().into())
            .map_err(told)?;
        for member in &self.members {
            let file = archive.by_index_raw(member.index).map_err(told)?;
            let time = file.last_modified().filter(DateTime::is_valid);
            let written = match (replaced.get(&member.name), time) {
                (None, Some(_)) => writer.raw_copy_file(file),
                // Left to itself, `zip` may take the time of a member without one from the clock.
                (None, None) => writer.raw_copy_file_touch(file, DateTime::default(), None),
                (Some(bytes), time) => {
                    let mut options = file
                        .options()
                        .compression_method(CompressionMethod::Deflated)
                        .last_modified_time(time.unwrap_or_default())
                        .large_file(false)
                        .into_full_options();
                    if !file.comment().is_empty() {
                        options = options.with_file_comment(file.comment());
                    }
                    for field in file.extra_data_fields() {
                        options = match field {
                            ExtraField::ExtendedTimestamp(time) => {
                                options.with_extended_timestamp(time.mod_time(), None, None)
                            }
                            ExtraField::Custom(field) => options
                                .add_extra_field(field.header_id, &field.data, false)
                                .map(|()| options),
                            _ => Ok(options),
                        }
                        .map_err(told)?;
                    }
                    writer
                        .start_file_with_options(options.name(file.name_raw()))
                        .and_then(|()| Ok(writer.write_all(bytes)?))
                }
            };
            written.map_err(|error| {
                PackedError(format!("`{}` cannot be packed: {error}", member.name))
            })?;
        }
        Ok(writer.finish().map_err(told)?.into_inner())
    }
}
