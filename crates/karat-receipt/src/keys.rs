//! Ed25519 keys: the private one that signs, and the ring of public ones that a project trusts (SEMANTICS G7).

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use ed25519_dalek::Signer as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{
    DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _,
};

use crate::digest::Digest;
use crate::error::ReceiptError;
use crate::instant::Instant;
use crate::rotation::{OpenedRotation, ROTATION_SUFFIX, Rotation};

/// A key's id: the first 16 hexadecimal digits of the SHA-256 of its raw 32 public bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(String);

impl KeyId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn named(text: &str) -> Self {
        Self(text.to_owned())
    }

    fn of(public_bytes: &[u8; 32]) -> Self {
        let mut text = Digest::of(public_bytes).to_string();
        text.truncate(16);
        Self(text)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A private key. It shows itself in no message.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// Reads an unencrypted PKCS#8 PEM key, as `openssl genpkey -algorithm ed25519` writes it.
    ///
    /// # Errors
    /// [`ReceiptError::PrivateKey`].
    pub fn from_pkcs8_pem(text: &str) -> Result<Self, ReceiptError> {
        // The cause is left out on purpose: nothing about a private key belongs into a message.
        ed25519_dalek::SigningKey::from_pkcs8_pem(text.trim())
            .map(Self)
            .map_err(|_| ReceiptError::PrivateKey)
    }

    /// A new key from 32 bytes, which the caller has from a good source of randomness.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The key as PKCS#8 PEM, version 1: OpenSSL does not read version 2, which also holds the public half.
    #[must_use]
    pub fn to_pkcs8_pem(&self) -> String {
        let pair = ed25519_dalek::pkcs8::KeypairBytes {
            secret_key: self.0.to_bytes(),
            public_key: None,
        };
        pair.to_pkcs8_pem(LineEnding::LF)
            .expect("an Ed25519 key always has a PKCS#8 form")
            .as_str()
            .to_owned()
    }

    /// The public half.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// The key's id.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.public_key().id()
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.id())
    }
}

/// A public key.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(ed25519_dalek::VerifyingKey);

impl PublicKey {
    /// Reads a PEM public key, as `openssl pkey -pubout` writes it.
    ///
    /// # Errors
    /// [`ReceiptError::PublicKey`], naming the file.
    pub fn from_pem(file: &str, text: &str) -> Result<Self, ReceiptError> {
        ed25519_dalek::VerifyingKey::from_public_key_pem(text.trim())
            .map(Self)
            .map_err(|_| ReceiptError::PublicKey {
                file: file.to_owned(),
                problem: "it is no Ed25519 public key in PEM form".to_owned(),
            })
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; 32] = bytes.try_into().ok()?;
        ed25519_dalek::VerifyingKey::from_bytes(bytes)
            .map(Self)
            .ok()
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The key as PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        self.0
            .to_public_key_pem(LineEnding::LF)
            .expect("an Ed25519 key always has a PEM form")
    }

    /// The key's id.
    #[must_use]
    pub fn id(&self) -> KeyId {
        KeyId::of(self.0.as_bytes())
    }

    /// Strict verification: no weak keys, no second form of a signature.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let Ok(signature) = ed25519_dalek::Signature::from_slice(signature) else {
            return false;
        };
        self.0.verify_strict(message, &signature).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id())
    }
}

/// A public key with what the project says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedKey {
    /// The key.
    pub key: PublicKey,
    /// The file it came from, for messages.
    pub file: String,
    /// The first logical time at which it may sign.
    pub valid_from: Option<Instant>,
    /// The logical time from which on it may sign no more.
    pub valid_to: Option<Instant>,
    /// A revoked key vouches for nothing, whatever time its signatures claim: who stole it can claim any time.
    pub revoked: bool,
}

impl TrustedKey {
    /// Reads a `.pub` file: a PEM public key; before it, comment lines such as `# valid_from: 2026-01-01T00:00:00Z`,
    /// `# valid_to: 2027-01-01`, `# revoked: 2026-06-01` (or `true`, `false`), `# id: 0011223344556677`.
    /// Other comments are for people.
    ///
    /// # Errors
    /// [`ReceiptError::PublicKey`], naming the file and the line that is wrong.
    pub fn parse(file: &str, text: &str) -> Result<Self, ReceiptError> {
        let wrong = |problem: String| ReceiptError::PublicKey {
            file: file.to_owned(),
            problem,
        };
        let is_comment = |line: &&str| line.trim_start().starts_with('#');
        let pem: Vec<&str> = text.lines().filter(|line| !is_comment(line)).collect();
        let key = PublicKey::from_pem(file, &pem.join("\n"))?;
        let mut trusted = Self {
            key,
            file: file.to_owned(),
            valid_from: None,
            valid_to: None,
            revoked: false,
        };
        for line in text.lines().filter(is_comment) {
            let Some((name, value)) = line.trim_start().trim_start_matches('#').split_once(':')
            else {
                continue;
            };
            let (name, value) = (name.trim(), value.trim());
            let time = || Instant::parse(value).map_err(|error| wrong(format!("{name}: {error}")));
            match name {
                "valid_from" => trusted.valid_from = Some(time()?),
                "valid_to" => trusted.valid_to = Some(time()?),
                "revoked" => {
                    trusted.revoked = match value {
                        "false" | "no" => false,
                        "true" | "yes" => true,
                        _ => time().map(|_| true)?,
                    }
                }
                "id" if value != trusted.key.id().as_str() => {
                    return Err(wrong(format!(
                        "it says id `{value}`, but the key's id is {}",
                        trusted.key.id()
                    )));
                }
                _ => {}
            }
        }
        Ok(trusted)
    }

    /// Whether it may sign at a logical time, as far as its dates say.
    #[must_use]
    pub fn may_sign_at(&self, logical_time: &str) -> bool {
        Instant::parse(logical_time).is_ok_and(|time| {
            self.valid_from.is_none_or(|from| time >= from)
                && self.valid_to.is_none_or(|to| time < to)
        })
    }

    /// The key as a `.pub` file, which [`TrustedKey::parse`] reads.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("# id: {}\n", self.key.id());
        for (name, time) in [("valid_from", self.valid_from), ("valid_to", self.valid_to)] {
            if let Some(time) = time {
                text.push_str(&format!("# {name}: {time}\n"));
            }
        }
        if self.revoked {
            text.push_str("# revoked: true\n");
        }
        text.push_str(&self.key.to_pem());
        text
    }
}

/// The public keys that a project trusts, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyRing(BTreeMap<KeyId, TrustedKey>);

impl KeyRing {
    /// A ring without keys: every signature is by an unknown key.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a key.
    ///
    /// # Errors
    /// [`ReceiptError::PublicKey`] if the ring has it already: two files could contradict each other.
    pub fn add(&mut self, key: TrustedKey) -> Result<(), ReceiptError> {
        let id = key.key.id();
        if let Some(known) = self.0.get(&id) {
            let problem = format!("the same key {id} is in `{}`", known.file);
            return Err(ReceiptError::PublicKey {
                file: key.file,
                problem,
            });
        }
        self.0.insert(id, key);
        Ok(())
    }

    /// Reads the files `*.pub` of a folder and the rotations beside them. A folder that does not exist holds no keys.
    ///
    /// # Errors
    /// [`ReceiptError::KeyFolder`] if it cannot be read, [`ReceiptError::PublicKey`] for a file that is no key,
    /// [`ReceiptError::Rotation`] for a rotation that leads from no key that may rotate.
    pub fn load(folder: &Path) -> Result<Self, ReceiptError> {
        let mut ring = Self::new();
        for (file, bytes) in files_in(folder, ".pub")? {
            ring.add(TrustedKey::parse(&file, &String::from_utf8_lossy(&bytes))?)?;
        }
        let mut rotations = Vec::new();
        for (file, bytes) in files_in(folder, ROTATION_SUFFIX)? {
            let rotation = Rotation::open(&file, &bytes)?;
            rotations.push((file, rotation));
        }
        ring.follow(rotations)?;
        Ok(ring)
    }

    /// Takes in rotations, given by the names of their files: a key that may sign at the time of one hands over to its new key.
    ///
    /// # Errors
    /// [`ReceiptError::Rotation`] for one that leads from no key of the ring, or from one that was revoked or does not sign then, or has
    /// handed over already. A rotation grants nothing to a key that has a file of its own.
    pub fn follow(
        &mut self,
        mut rotations: Vec<(String, OpenedRotation)>,
    ) -> Result<(), ReceiptError> {
        // In the order of their times each finds the key that the one before gave.
        rotations.sort_by_key(|(_, opened)| opened.rotation.at);
        for (file, opened) in rotations {
            let Rotation { from, to, at, .. } = &opened.rotation;
            let may_rotate = match self.0.get(from) {
                None => Err(format!("no public key {from} is here")),
                Some(old) if old.revoked => Err(format!("{from} is revoked")),
                Some(old) if !old.may_sign_at(&at.to_string()) => {
                    Err(format!("{from} does not sign at {at}"))
                }
                Some(old) if !opened.is_signed_by(&old.key) => {
                    Err(format!("the signature of {from} does not fit"))
                }
                Some(_) => Ok(()),
            };
            let is_known = self.0.contains_key(&to.id());
            match may_rotate {
                // The new key is trusted by itself, whatever became of the old one.
                Err(_) if is_known => continue,
                Err(problem) => return Err(ReceiptError::Rotation { file, problem }),
                Ok(()) => {}
            }
            if let Some(old) = self.0.get_mut(from) {
                old.valid_to = Some(*at);
            }
            if !is_known {
                let key = TrustedKey {
                    key: to.clone(),
                    file,
                    valid_from: Some(*at),
                    valid_to: None,
                    revoked: false,
                };
                self.0.insert(to.id(), key);
            }
        }
        Ok(())
    }

    /// The key with this id.
    #[must_use]
    pub fn get(&self, id: &KeyId) -> Option<&TrustedKey> {
        self.0.get(id)
    }

    pub(crate) fn find(&self, id: &str) -> Option<(&KeyId, &TrustedKey)> {
        self.0.get_key_value(&KeyId::named(id))
    }

    /// All keys, by id.
    pub fn iter(&self) -> impl Iterator<Item = (&KeyId, &TrustedKey)> {
        self.0.iter()
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Name and bytes of the files of a folder whose names end so, by name; none of a folder that does not exist.
///
/// # Errors
/// [`ReceiptError::KeyFolder`] if the folder or a file cannot be read.
pub fn files_in(folder: &Path, suffix: &str) -> Result<Vec<(String, Vec<u8>)>, ReceiptError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| ReceiptError::KeyFolder { path, source }
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(folder)(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable(folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(suffix) {
            let bytes = std::fs::read(&path).map_err(unreadable(&path))?;
            files.push((name.into_owned(), bytes));
        }
    }
    files.sort();
    Ok(files)
}
