//! The bytes of an object, unpacked: gzip, Zstandard, bzip2, and the members of a ZIP archive one after another. How a file is packed is told by its
//! first bytes, then by its name; whether it is whole is proved by unpacking it to its end, within limits, so that a bomb stops early (B4).
//!
//! What is in the bytes is left to others. A name in an archive is never taken for a path.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bzip2::bufread::MultiBzDecoder;
use flate2::Crc;
use flate2::bufread::{DeflateDecoder, GzDecoder, MultiGzDecoder};
use globset::{GlobBuilder, GlobMatcher};
use zip::{CompressionMethod, ZipArchive};

use crate::{Compression, ErrorKind, FeedSpec, Format, SourceError, Unpack};

/// Bytes read at a time; fits the second-level cache together with its marks.
pub(crate) const CHUNK_BYTES: usize = 256 << 10;
/// Below this, how much an object grows when unpacked is nobody's business: a small file may well be a thousand times the same line.
const RATIO_FLOOR_BYTES: u64 = 64 << 20;
/// What a workbook may unpack to where the feed says nothing.
const WORKBOOK_BYTES_MAX: u64 = 2 << 30;
/// Members of an archive; a directory that is longer must not fill the memory.
const MEMBERS_MAX: usize = 100_000;
/// Bytes at the start of a file by which a format is known.
const START_BYTES: usize = 16;

/// How a file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    Gzip,
    Zstd,
    Bzip2,
    Zip,
}

impl Packing {
    /// By what is declared, else by the first bytes, else by the name. Leaves the file at its start.
    pub(crate) fn of(file: &mut File, path: &str, declared: Compression) -> io::Result<Self> {
        match declared {
            Compression::None => return Ok(Self::Plain),
            Compression::Gzip => return Ok(Self::Gzip),
            Compression::Zstd => return Ok(Self::Zstd),
            Compression::Bzip2 => return Ok(Self::Bzip2),
            Compression::Zip => return Ok(Self::Zip),
            Compression::Auto => {}
        }
        let start = start_of(file)?;
        Ok(match start[..] {
            [0x1F, 0x8B, ..] => Self::Gzip,
            // A frame, or one that is to be skipped.
            [0x28, 0xB5, 0x2F, 0xFD, ..] | [0x50..0x60, 0x2A, 0x4D, 0x18, ..] => Self::Zstd,
            _ if is_bzip2(&start, BZIP2_BLOCK) || is_bzip2(&start, BZIP2_END) => Self::Bzip2,
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Self::Zip,
            _ => Self::by_name(path).unwrap_or(Self::Plain),
        })
    }

    fn by_name(path: &str) -> Option<Self> {
        let name = path.to_ascii_lowercase();
        let (_, ending) = name.rsplit_once('.')?;
        match ending {
            "gz" => Some(Self::Gzip),
            "zst" => Some(Self::Zstd),
            "bz2" => Some(Self::Bzip2),
            "zip" => Some(Self::Zip),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Gzip => "gzip",
            Self::Zstd => "Zstandard",
            Self::Bzip2 => "bzip2",
            Self::Zip => "ZIP archive",
        }
    }
}

/// How a block of bzip2 begins behind its header, and how the end of a stream does: the digits of two constants.
const BZIP2_BLOCK: &[u8; 6] = b"1AY&SY";
const BZIP2_END: &[u8; 6] = &[0x17, 0x72, 0x45, 0x38, 0x50, 0x90];

fn is_bzip2(start: &[u8], then: &[u8; 6]) -> bool {
    matches!(start, [b'B', b'Z', b'h', b'1'..=b'9', rest @ ..] if rest.starts_with(then))
}

fn start_of(file: &mut File) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(0))?;
    let mut start = Vec::with_capacity(START_BYTES);
    file.by_ref()
        .take(START_BYTES as u64)
        .read_to_end(&mut start)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(start)
}

/// A workbook is held in part: where the feed states no limit, it is lower.
fn workbook_bytes_max(unpack: &Unpack) -> u64 {
    match unpack.max_bytes == Unpack::default().max_bytes {
        true => WORKBOOK_BYTES_MAX,
        false => unpack.max_bytes,
    }
}

/// Why a file that is not packed is no text, if its first bytes are those of another format.
pub(crate) fn no_text(file: &mut File) -> io::Result<Option<String>> {
    let start = start_of(file)?;
    let what = match start[..] {
        [0xFD, b'7', b'z', b'X', b'Z', 0, ..] => "xz",
        [0x04, 0x22, 0x4D, 0x18, ..] => "LZ4",
        [b'7', b'z', 0xBC, 0xAF, 0x27, 0x1C, ..] => "7z",
        [0x1F, 0x8B, ..] => "gzip",
        [0x28, 0xB5, 0x2F, 0xFD, ..] => "Zstandard",
        _ if is_bzip2(&start, BZIP2_BLOCK) => "bzip2",
        [b'P', b'K', 3, 4, ..] => "a ZIP archive or a workbook",
        [0xD0, 0xCF, 0x11, 0xE0, ..] => "an Office document",
        [b'P', b'A', b'R', b'1', 0..0x20, ..] => "Parquet",
        [b'A', b'R', b'R', b'O', b'W', b'1', 0, ..] => "Arrow",
        [b'O', b'b', b'j', 1, ..] => "Avro",
        [b'S', b'Q', b'L', b'i', b't', b'e', b' ', ..] if start.ends_with(&[0]) => "SQLite",
        [b'%', b'P', b'D', b'F', b'-', ..] => "PDF",
        _ => return Ok(None),
    };
    Ok(Some(format!("it is {what}{NOT_TEXT}")))
}

/// How a reason ends that names the format of a file that should be text.
pub(crate) const NOT_TEXT: &str = ", not text";
const OFFICE: &str = "it is a workbook or another Office document, not an archive of text files";
const NO_MEMBER: &str = "no file in the archive is called like `members` of the feed's `unpack`";
/// How a reason begins that names a limit of `unpack`.
const BOMB: &str = "it unpacks to more than ";

/// Whether an object known to be broken for this reason, which its unpacking gave, might be whole under the settings of today.
pub(crate) fn may_be_whole_now(reason: &str, feed: &FeedSpec) -> bool {
    if reason.starts_with(BOMB) {
        let mut bytes = feed.unpack.clone();
        if feed.format == Format::Excel {
            bytes.max_bytes = workbook_bytes_max(&feed.unpack);
        }
        return reason != Limits::over_bytes(&bytes) && reason != Limits::over_ratio(&feed.unpack);
    }
    let packings = [Packing::Gzip, Packing::Zstd, Packing::Bzip2, Packing::Zip];
    let declared = match feed.csv.compression {
        Compression::Auto => return reason == NO_MEMBER || reason.starts_with("its member "),
        Compression::None => None,
        Compression::Gzip => Some(Packing::Gzip),
        Compression::Zstd => Some(Packing::Zstd),
        Compression::Bzip2 => Some(Packing::Bzip2),
        Compression::Zip => Some(Packing::Zip),
    };
    reason == NO_MEMBER
        || reason.starts_with("its member ")
        || packings
            .into_iter()
            .filter(|packing| Some(*packing) != declared)
            .any(|packing| Flaw::ALL.iter().any(|flaw| flaw.told(packing) == reason))
}

/// What is wrong with a packed file.
#[derive(Debug, Clone, Copy)]
enum Flaw {
    Empty,
    None,
    Short,
    Damaged,
    Followed,
    Window,
}

impl Flaw {
    const ALL: [Self; 6] = [
        Self::Empty,
        Self::None,
        Self::Short,
        Self::Damaged,
        Self::Followed,
        Self::Window,
    ];

    fn told(self, packing: Packing) -> String {
        let name = packing.name();
        match self {
            Self::Empty => {
                format!("it is empty, and should be {name} by its name or by `compression`")
            }
            Self::None => format!("it is no {name}, and should be by its name or by `compression`"),
            Self::Short => format!("{name} ends early"),
            Self::Damaged => format!("{name} is damaged"),
            Self::Followed => format!("{name} is complete, but bytes that are no {name} follow it"),
            Self::Window => {
                format!("{name} was packed with a window that takes more than 128 MiB to unpack")
            }
        }
    }
}

/// How much an object may become.
#[derive(Clone)]
struct Limits {
    packed: u64,
    unpack: Unpack,
    unpacked: Arc<AtomicU64>,
}

impl Limits {
    fn over_bytes(unpack: &Unpack) -> String {
        format!(
            "{BOMB}{} bytes: `max_bytes` of the feed's `unpack` is the limit",
            unpack.max_bytes
        )
    }

    fn over_ratio(unpack: &Unpack) -> String {
        format!(
            "{BOMB}{} times its size: `max_ratio` of the feed's `unpack` is the limit",
            unpack.max_ratio
        )
    }

    /// Counts what was unpacked; the reason if it is too much.
    fn add(&self, bytes: usize) -> Option<String> {
        let bytes = bytes as u64;
        let so_far = self.unpacked.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if so_far > self.unpack.max_bytes {
            return Some(Self::over_bytes(&self.unpack));
        }
        let of_its_size = self.packed.saturating_mul(self.unpack.max_ratio);
        (so_far > of_its_size.max(RATIO_FLOOR_BYTES)).then(|| Self::over_ratio(&self.unpack))
    }
}

/// A member of an archive, in the order of names.
struct Member {
    name: String,
    data_start: u64,
    packed: u64,
    size: u64,
    crc: u32,
    method: CompressionMethod,
}

/// The texts in an object: one, or those of an archive's members.
pub(crate) struct Parts {
    file: File,
    limits: Limits,
    rest: Rest,
}

enum Rest {
    One(Packing),
    Members(std::vec::IntoIter<Member>),
    None,
}

/// One text of an object.
pub(crate) struct Part {
    /// Name of the member, if it is one.
    pub(crate) member: Option<String>,
    body: Box<dyn Read + Send>,
    limits: Option<Limits>,
}

impl Read for Part {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.body.read(out)?;
        if let Some(limits) = &self.limits
            && let Some(why) = limits.add(n)
        {
            return Err(io::Error::new(io::ErrorKind::InvalidData, Reason(why)));
        }
        Ok(n)
    }
}

/// A reason for a person, inside an error of reading.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Reason(String);

/// What an error of reading a [`Part`] says of the object; none if it is trouble with the disk.
pub(crate) fn reason_of(error: &io::Error) -> Option<String> {
    let inner = error.get_ref()?;
    inner
        .downcast_ref::<Reason>()
        .map(|reason| reason.0.clone())
}

impl Parts {
    /// Of a file that was proved whole. The reason, if it is an archive that cannot be opened.
    pub(crate) fn open(
        mut file: File,
        path: &str,
        feed: &FeedSpec,
    ) -> io::Result<Result<Self, String>> {
        let packing = Packing::of(&mut file, path, feed.csv.compression)?;
        let limits = Limits {
            packed: file.metadata()?.len(),
            unpack: feed.unpack.clone(),
            unpacked: Arc::default(),
        };
        let rest = if packing == Packing::Zip {
            match members(&file, &feed.unpack)? {
                Ok(members) => Rest::Members(members.into_iter()),
                Err(why) => return Ok(Err(why)),
            }
        } else {
            Rest::One(packing)
        };
        Ok(Ok(Self { file, limits, rest }))
    }

    /// All members of a workbook that is an archive, to see what they unpack to; none of one that is none. It is held in part, so that its limit is
    /// lower where the feed states none.
    pub(crate) fn of_workbook(
        mut file: File,
        feed: &FeedSpec,
    ) -> io::Result<Result<Option<Self>, String>> {
        if !start_of(&mut file)?.starts_with(b"PK") {
            return Ok(Ok(None));
        }
        let mut unpack = feed.unpack.clone();
        unpack.members = Some("**".to_owned());
        unpack.max_bytes = workbook_bytes_max(&unpack);
        let members = match members(&file, &unpack)? {
            Ok(members) => members,
            Err(why) => return Ok(Err(why)),
        };
        let limits = Limits {
            packed: file.metadata()?.len(),
            unpack,
            unpacked: Arc::default(),
        };
        let rest = Rest::Members(members.into_iter());
        Ok(Ok(Some(Self { file, limits, rest })))
    }

    /// The next text.
    pub(crate) fn next(&mut self) -> io::Result<Option<Part>> {
        let limits = Some(self.limits.clone());
        match &mut self.rest {
            Rest::None => Ok(None),
            Rest::One(packing) => {
                let packing = *packing;
                self.rest = Rest::None;
                // Whoever looked into the file before may have left it elsewhere.
                let mut file = self.file.try_clone()?;
                file.seek(SeekFrom::Start(0))?;
                let file = BufReader::with_capacity(CHUNK_BYTES, file);
                let body: Box<dyn Read + Send> = match packing {
                    Packing::Plain | Packing::Zip => Box::new(file.into_inner()),
                    Packing::Gzip => Box::new(MultiGzDecoder::new(file)),
                    Packing::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(file)?),
                    Packing::Bzip2 => Box::new(MultiBzDecoder::new(file)),
                };
                Ok(Some(Part {
                    member: None,
                    body,
                    limits: limits.filter(|_| packing != Packing::Plain),
                }))
            }
            Rest::Members(members) => {
                let Some(member) = members.next() else {
                    self.rest = Rest::None;
                    return Ok(None);
                };
                let mut file = self.file.try_clone()?;
                file.seek(SeekFrom::Start(member.data_start))?;
                let packed = BufReader::with_capacity(CHUNK_BYTES, file.take(member.packed));
                let body: Box<dyn Read + Send> = match method(&member.method) {
                    Some(Packing::Plain) => Box::new(packed),
                    Some(Packing::Zstd) => {
                        Box::new(zstd::stream::read::Decoder::with_buffer(packed)?)
                    }
                    Some(Packing::Bzip2) => Box::new(MultiBzDecoder::new(packed)),
                    _ => Box::new(DeflateDecoder::new(packed)),
                };
                Ok(Some(Part {
                    body: Box::new(Checked {
                        body,
                        crc: Crc::new(),
                        bytes: 0,
                        expected: (member.crc, member.size),
                        name: member.name.clone(),
                    }),
                    member: Some(member.name),
                    limits,
                }))
            }
        }
    }
}

/// How a member is packed; none if karat cannot unpack it.
fn method(method: &CompressionMethod) -> Option<Packing> {
    Some(match *method {
        CompressionMethod::STORE => Packing::Plain,
        CompressionMethod::DEFLATE => Packing::Gzip,
        CompressionMethod::BZIP2 => Packing::Bzip2,
        CompressionMethod::ZSTD | CompressionMethod::ZSTD_DEPRECATED => Packing::Zstd,
        _ => return None,
    })
}

/// A member's bytes, held against the directory when they end.
struct Checked {
    body: Box<dyn Read + Send>,
    crc: Crc,
    bytes: u64,
    expected: (u32, u64),
    name: String,
}

impl Read for Checked {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        let damaged = |name: &str| {
            let why = format!("its member `{name}` is damaged");
            io::Error::new(io::ErrorKind::InvalidData, Reason(why))
        };
        let n = match self.body.read(out) {
            Ok(n) => n,
            Err(e) if is_damage(&e) => return Err(damaged(&self.name)),
            Err(e) => return Err(e),
        };
        self.crc.update(&out[..n]);
        self.bytes += n as u64;
        if n == 0 && (self.crc.sum(), self.bytes) != self.expected {
            return Err(damaged(&self.name));
        }
        Ok(n)
    }
}

/// Whether an unpacker found damage, as opposed to trouble with the disk.
fn is_damage(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::InvalidData
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::Other
    )
}

/// The members that are read, by name; the reason if that cannot be.
fn members(file: &File, unpack: &Unpack) -> io::Result<Result<Vec<Member>, String>> {
    let mut file = file.try_clone()?;
    let length = file.seek(SeekFrom::End(0))?;
    if length == 0 {
        return Ok(Err(Flaw::Empty.told(Packing::Zip)));
    }
    let start = start_of(&mut file)?;
    let mut archive = match ZipArchive::new(BufReader::new(file)) {
        Ok(archive) => archive,
        Err(zip::result::ZipError::Io(e)) if !is_damage(&e) => return Err(e),
        Err(_) if start.starts_with(b"PK\x03\x04") => {
            return Ok(Err(Flaw::Short.told(Packing::Zip)));
        }
        Err(_) => return Ok(Err(Flaw::None.told(Packing::Zip))),
    };
    if archive.len() > MEMBERS_MAX {
        return Ok(Err(format!("it holds more than {MEMBERS_MAX} files")));
    }
    if archive.has_duplicate_names() {
        return Ok(Err("two of its members have the same name".to_owned()));
    }
    let glob = match unpack.members.as_deref().map(matcher).transpose() {
        Ok(glob) => glob,
        Err(why) => return Ok(Err(why)),
    };
    let mut members = Vec::new();
    for index in 0..archive.len() {
        let Ok(member) = archive.by_index_raw(index) else {
            return Ok(Err(Flaw::Damaged.told(Packing::Zip)));
        };
        let name = String::from_utf8_lossy(member.name_raw()).replace('\\', "/");
        if matches!(name.as_str(), "[Content_Types].xml" | "mimetype") && glob.is_none() {
            return Ok(Err(OFFICE.to_owned()));
        }
        // What macOS adds is no file of the sender.
        let is_added = name.starts_with("__MACOSX/") || name.ends_with(".DS_Store");
        let is_meant = match &glob {
            Some(glob) => glob.is_match(&name),
            None => !is_added,
        };
        if name.ends_with('/') || !is_meant {
            continue;
        }
        if member.encrypted() {
            return Ok(Err(format!("its member `{name}` is encrypted")));
        }
        if method(&member.compression()).is_none() {
            return Ok(Err(format!(
                "its member `{name}` is packed in a way that is not read ({}): deflated, stored, bzip2 and Zstandard are",
                member.compression()
            )));
        }
        let Some(data_start) = member.data_start() else {
            return Ok(Err(Flaw::Damaged.told(Packing::Zip)));
        };
        if data_start.saturating_add(member.compressed_size()) > length {
            return Ok(Err(Flaw::Short.told(Packing::Zip)));
        }
        members.push(Member {
            data_start,
            packed: member.compressed_size(),
            size: member.size(),
            crc: member.crc32(),
            method: member.compression(),
            name,
        });
    }
    if members.is_empty() && glob.is_some() {
        return Ok(Err(NO_MEMBER.to_owned()));
    }
    members.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Ok(members))
}

/// The pattern of the members that are read.
pub(crate) fn matcher(pattern: &str) -> Result<GlobMatcher, String> {
    GlobBuilder::new(pattern)
        .literal_separator(true)
        .build()
        .map(|glob| glob.compile_matcher())
        .map_err(|e| format!("`members` of `unpack` is no pattern: {}", e.kind()))
}

/// Checks the settings of a feed.
pub(crate) fn check(feed: &FeedSpec) -> Result<(), SourceError> {
    let Some(pattern) = &feed.unpack.members else {
        return Ok(());
    };
    matcher(pattern).map(drop).map_err(|why| {
        SourceError::new(
            ErrorKind::Config,
            format!("cannot unpack the files of feed `{}`: {why}", feed.name),
        )
        .hint("write it like `*.csv`")
    })
}

/// Unpacks a gzip, Zstandard or bzip2 stream to its end and shows what comes out; the reason if that fails. What the disk says is left to `packed`.
pub(crate) fn prove_stream(
    packed: impl Read,
    packing: Packing,
    size: u64,
    unpack: &Unpack,
    see: &mut dyn FnMut(&[u8]),
) -> Option<String> {
    let limits = Limits {
        packed: size,
        unpack: unpack.clone(),
        unpacked: Arc::default(),
    };
    let mut input = BufReader::with_capacity(CHUNK_BYTES, packed);
    let first = first_byte(&mut input);
    let expected = match packing {
        Packing::Gzip => &[0x1F][..],
        Packing::Bzip2 => b"B",
        _ => &[
            0x28, 0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5A, 0x5B, 0x5C,
            0x5D, 0x5E, 0x5F,
        ],
    };
    match first {
        None => return Some(Flaw::Empty.told(packing)),
        Some(byte) if !expected.contains(&byte) => return Some(Flaw::None.told(packing)),
        Some(_) => {}
    }
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut drain = |from: &mut dyn Read| -> Option<String> {
        loop {
            match from.read(&mut chunk) {
                Ok(0) => return None,
                Ok(n) => {
                    if let Some(why) = limits.add(n) {
                        return Some(why);
                    }
                    see(&chunk[..n]);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Some(flaw_of(&e).told(packing)),
            }
        }
    };
    match packing {
        Packing::Gzip => loop {
            let mut member = GzDecoder::new(input);
            if let Some(why) = drain(&mut member) {
                return Some(why);
            }
            input = member.into_inner();
            match first_byte(&mut input) {
                None => return None,
                Some(0x1F) => {}
                Some(_) => return Some(Flaw::Followed.told(packing)),
            }
        },
        Packing::Bzip2 => drain(&mut MultiBzDecoder::new(input)),
        _ => match zstd::stream::read::Decoder::with_buffer(input) {
            Ok(mut decoder) => drain(&mut decoder),
            Err(e) => Some(flaw_of(&e).told(packing)),
        },
    }
}

fn flaw_of(error: &io::Error) -> Flaw {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Flaw::Short,
        // The only thing that tells it apart from damage is the text of the library.
        _ if error.to_string().contains("too much memory") => Flaw::Window,
        _ => Flaw::Damaged,
    }
}

/// Trouble with the disk is kept by whoever reads the file; it looks like an early end here.
fn first_byte(input: &mut impl BufRead) -> Option<u8> {
    loop {
        match input.fill_buf() {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other.ok().and_then(|bytes| bytes.first().copied()),
        }
    }
}
