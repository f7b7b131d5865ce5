//! Where the rows of an answer go: text, an Arrow stream or a Parquet file; to stdout, or to a file that is there once it is whole.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use karat_lake::{CanonicalWriter, Layout};
use karat_pipeline::PipelineError;
use serde_json::Value;

use crate::args::Format;
use crate::failure::Failure;
use crate::output;
use crate::rows::RowText;

/// Where bytes go.
enum Out {
    Stdout,
    /// Under a name of its own until it is whole.
    File(BufWriter<File>),
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout => io::stdout().lock().write(bytes),
            Self::File(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout => io::stdout().lock().flush(),
            Self::File(file) => file.flush(),
        }
    }
}

enum Writer {
    Text {
        rows: RowText,
        begun: bool,
        out: Out,
    },
    Arrow(Box<StreamWriter<Out>>),
    Parquet(Box<CanonicalWriter>),
}

/// The rows of one answer on their way out.
pub(crate) struct Answer {
    format: Format,
    writer: Writer,
    target: Option<Target>,
}

/// A file that is to be, and what stands for it until then.
struct Target {
    path: PathBuf,
    part: PathBuf,
    /// A pipe or a device: no file takes its place, and the rows go into it as they come.
    is_open_end: bool,
    /// Of the file that it takes the place of.
    permissions: Option<fs::Permissions>,
}

impl Target {
    fn new(path: &Path, format: Format) -> Result<Self, Failure> {
        let Some(name) = path.file_name().filter(|_| !path.is_dir()) else {
            return Err(Failure::usage(
                format!("`--output {}` names no file", path.display()),
                "name the file that is to hold the rows",
            ));
        };
        let found = fs::metadata(path);
        let is_open_end = found.as_ref().is_ok_and(|found| !found.is_file());
        // A link stays one: what it leads to is written. That of an open pipe leads to no name.
        let path = match fs::read_link(path) {
            Ok(leads_to) if !is_open_end => match fs::canonicalize(path) {
                Ok(path) => path,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    path.parent().unwrap_or(path).join(leads_to)
                }
                Err(error) => return Err(Failure::io("follow", path)(error)),
            },
            _ => path.to_path_buf(),
        };
        let part = format!(".{}.{}.part", name.to_string_lossy(), std::process::id());
        if is_open_end && format == Format::Parquet {
            return Err(Failure::usage(
                format!(
                    "`--format parquet` writes a file, and `{}` is a device or a pipe",
                    path.display()
                ),
                "name a file, or send rows as they come: `--format arrow`",
            ));
        }
        Ok(Self {
            part: path.with_file_name(part),
            path,
            is_open_end,
            permissions: found.ok().map(|found| found.permissions()),
        })
    }

    fn create(&self) -> Result<Out, Failure> {
        let file = match self.is_open_end {
            true => File::options().write(true).open(&self.path),
            false => File::create(&self.part),
        };
        let file = file.map_err(Failure::io("write", &self.path))?;
        Ok(Out::File(BufWriter::new(file)))
    }

    fn is_whole(&self, part: &Path) -> Result<(), Failure> {
        if self.is_open_end {
            return Ok(());
        }
        if let Some(permissions) = &self.permissions {
            fs::set_permissions(part, permissions.clone())
                .map_err(Failure::io("write", &self.path))?;
        }
        fs::rename(part, &self.path).map_err(Failure::io("write", &self.path))
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if self.is_open_end {
            return;
        }
        let _ = match self.part.is_dir() {
            true => fs::remove_dir_all(&self.part),
            false => fs::remove_file(&self.part),
        };
    }
}

/// Whether this format can go there at all; asked before anything is computed.
pub(crate) fn check(format: Format, output: Option<&Path>) -> Result<(), Failure> {
    match (format, output) {
        (Format::Parquet, None) => Err(Failure::usage(
            "`--format parquet` writes a file",
            "name it: `--output FILE`",
        )),
        (Format::Arrow, None) if output::stdout_is_terminal() => Err(Failure::usage(
            "`--format arrow` writes bytes, and stdout is a terminal",
            "send them to a program, or to a file with `--output FILE`",
        )),
        _ => Ok(()),
    }
}

impl Answer {
    /// An answer of these columns.
    pub(crate) fn new(
        format: Format,
        schema: SchemaRef,
        output: Option<&Path>,
    ) -> Result<Self, Failure> {
        let target = output.map(|path| Target::new(path, format)).transpose()?;
        let out = |target: &Option<Target>| match target {
            Some(target) => target.create(),
            None => Ok(Out::Stdout),
        };
        let writer = match format {
            Format::Arrow => {
                let writer = StreamWriter::try_new(out(&target)?, &schema).map_err(not_written)?;
                Writer::Arrow(Box::new(writer))
            }
            Format::Parquet => {
                let Some(target) = &target else {
                    return Err(internal("a Parquet file needs a name"));
                };
                fs::create_dir_all(&target.part).map_err(Failure::io("write", &target.path))?;
                let layout = Layout {
                    rows_per_file: usize::MAX,
                    ..Layout::default()
                };
                let writer = CanonicalWriter::new(target.part.clone(), schema, layout, 0, 0, &[])?;
                Writer::Parquet(Box::new(writer))
            }
            _ => Writer::Text {
                rows: RowText::new(format, schema),
                begun: false,
                out: out(&target)?,
            },
        };
        Ok(Self {
            format,
            writer,
            target,
        })
    }

    /// The next rows.
    pub(crate) fn rows(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        match &mut self.writer {
            Writer::Text { rows, begun, out } => {
                let head = if *begun { String::new() } else { rows.head() };
                *begun = true;
                let text = rows.batch(batch).map_err(internal)?;
                write(out, format!("{head}{text}").as_bytes())
            }
            Writer::Arrow(writer) => {
                writer.write(batch).map_err(not_written)?;
                writer.flush().map_err(not_written)
            }
            Writer::Parquet(writer) => Ok(writer.write(batch)?),
        }
    }

    /// All rows are out.
    pub(crate) fn end(self, notes: &[String]) -> Result<(), Failure> {
        let target = self.target.as_ref();
        match self.writer {
            Writer::Text {
                mut rows,
                begun,
                mut out,
            } => {
                let head = if begun { String::new() } else { rows.head() };
                let tail = rows.tail(notes, None);
                write(&mut out, format!("{head}{tail}").as_bytes())?;
            }
            Writer::Arrow(mut writer) => {
                writer.finish().map_err(not_written)?;
                writer.flush().map_err(not_written)?;
            }
            Writer::Parquet(writer) => {
                let schema = writer.schema().clone();
                let files = writer.finish()?;
                let Some(target) = target else { return Ok(()) };
                return match files.first() {
                    Some(file) => target.is_whole(&target.part.join(&file.path)),
                    None => {
                        let empty = target.part.join("empty");
                        without_rows(&empty, schema)
                            .map_err(io::Error::other)
                            .map_err(Failure::io("write", &target.path))?;
                        target.is_whole(&empty)
                    }
                };
            }
        }
        match target {
            Some(target) => target.is_whole(&target.part),
            None => Ok(()),
        }
    }

    /// An error came after the first rows: what is out is closed so that nobody takes it for the whole answer.
    pub(crate) fn fail(self, notes: &[String], reason: &Value) -> Result<(), Failure> {
        if self
            .target
            .as_ref()
            .is_some_and(|target| !target.is_open_end)
        {
            return Ok(());
        }
        match self.writer {
            Writer::Text {
                mut rows,
                begun,
                mut out,
            } if self.format == Format::Json => {
                let head = if begun { String::new() } else { rows.head() };
                let tail = rows.tail(notes, Some(reason));
                write(&mut out, format!("{head}{tail}").as_bytes())
            }
            Writer::Arrow(mut writer) => {
                // A stream may end between two messages, so the beginning of one tells its reader that this is no end.
                let begun = [0xff, 0xff, 0xff, 0xff, 0x08, 0x00, 0x00, 0x00];
                write(writer.get_mut(), &begun)
            }
            Writer::Text { .. } | Writer::Parquet(_) => Ok(()),
        }
    }
}

fn write(out: &mut Out, bytes: &[u8]) -> Result<(), Failure> {
    out.write_all(bytes)
        .and_then(|()| out.flush())
        .map_err(Failure::Stdout)
}

fn not_written(error: ArrowError) -> Failure {
    match error {
        ArrowError::IoError(_, error) => Failure::Stdout(error),
        other => internal(other),
    }
}

fn internal(error: impl ToString) -> Failure {
    PipelineError::Internal(error.to_string()).into()
}

fn without_rows(path: &Path, schema: SchemaRef) -> Result<(), parquet::errors::ParquetError> {
    let file = File::create(path)?;
    parquet::arrow::ArrowWriter::try_new(file, schema, None)?.close()?;
    Ok(())
}
