//! A schema with everything looked up that its Rust needs.

use anyhow::{Context, Result, ensure};

use super::rust_type::{Scalar, snake};
use super::schema::{Field, Message};
use super::versions::Versions;

/// A struct to be written.
#[derive(Debug)]
pub(super) struct Struct {
    pub(super) name: String,
    /// The versions in which it can occur.
    pub(super) versions: Versions,
    pub(super) flexible: Versions,
    pub(super) fields: Vec<Member>,
}

/// A field of a struct to be written.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) scalar: Scalar,
    pub(super) shape: Shape,
    /// The versions that have it, of those in which its struct can occur.
    pub(super) versions: Versions,
    pub(super) nullable: Versions,
    /// Its tag, and the versions in which it is tagged.
    pub(super) tag: Option<(u32, Versions)>,
    pub(super) default: String,
    pub(super) ignorable: bool,
    /// The versions in which its lengths are compact.
    pub(super) flexible: Versions,
    /// The fewest bytes an element takes.
    pub(super) element_bytes_min: usize,
}

/// How often a field's scalar occurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    One,
    Maybe,
    Many,
    MaybeMany,
}

impl Member {
    pub(super) fn rust_type(&self) -> String {
        let name = self.scalar.name();
        match self.shape {
            Shape::One => name.to_owned(),
            Shape::Maybe => format!("Option<{name}>"),
            Shape::Many => format!("Vec<{name}>"),
            Shape::MaybeMany => format!("Option<Vec<{name}>>"),
        }
    }
}

/// Returns the message and the structs it consists of, outer before inner.
pub(super) fn structs(message: &Message) -> Result<Vec<Struct>> {
    let mut found = Vec::new();
    collect(message, &message.name, &message.fields, message.valid()?, &mut found)?;
    Ok(found)
}

fn collect(message: &Message, name: &str, fields: &[Field], versions: Versions, found: &mut Vec<Struct>) -> Result<()> {
    if let Some(known) = found.iter().find(|s| s.name == name) {
        ensure!(known.versions == versions, "{name} is shared by fields of different versions");
        return Ok(());
    }
    let flexible = message.flexible()?.and(message.valid()?);
    let mut members = Vec::new();
    for field in fields {
        members.push(member(message, field, versions).with_context(|| format!("field {name}.{}", field.name))?);
    }
    found.push(Struct { name: name.to_owned(), versions, flexible, fields: members });
    for field in fields {
        if let Scalar::Struct(inner) = scalar(field)? {
            let shared = message.common(&inner);
            // A shared struct may occur wherever its message does.
            let inside = if shared.is_some() { message.valid()? } else { field.versions()?.and(versions) };
            collect(message, &inner, shared.unwrap_or(&field.fields), inside, found)?;
        }
    }
    Ok(())
}

fn scalar(field: &Field) -> Result<Scalar> {
    Scalar::parse(field.wire_type.trim_start_matches("[]"))
}

fn member(message: &Message, field: &Field, around: Versions) -> Result<Member> {
    let versions = field.versions()?.and(around);
    let nullable = field.nullable()?.and(versions);
    let tagged = field.tagged()?.and(versions);
    let scalar = scalar(field)?;
    let shape = match (field.wire_type.starts_with("[]"), !nullable.is_empty()) {
        (false, false) => Shape::One,
        (false, true) => Shape::Maybe,
        (true, false) => Shape::Many,
        (true, true) => Shape::MaybeMany,
    };
    let flexible = field.flexible()?.map_or_else(|| message.flexible(), Ok)?;
    Ok(Member {
        name: snake(&field.name),
        default: default(field, &scalar, shape, nullable == versions)?,
        element_bytes_min: element_bytes_min(message, field, &scalar, versions)?,
        scalar,
        shape,
        versions,
        nullable,
        tag: field.tag.map(|tag| (tag, tagged)),
        ignorable: field.ignorable,
        flexible: flexible.and(message.valid()?),
    })
}

/// The schema's default. Where it has none: null if every version allows that, else empty.
fn default(field: &Field, scalar: &Scalar, shape: Shape, always_nullable: bool) -> Result<String> {
    let written = field.default.as_ref().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    let null = written.as_deref() == Some("null");
    let value = match scalar {
        _ if shape == Shape::Many => "Vec::new()".to_owned(),
        _ if shape == Shape::MaybeMany => if null { "None" } else { "Some(Vec::new())" }.to_owned(),
        _ if shape == Shape::Maybe && (null || written.is_none() && always_nullable) => "None".to_owned(),
        Scalar::Fixed("bool", _) => written.unwrap_or_else(|| "false".to_owned()),
        Scalar::Fixed("i64", _) if written.as_deref() == Some("9223372036854775807") => "i64::MAX".to_owned(),
        Scalar::Fixed("i32", _) if written.as_deref() == Some("0x7fffffff") => "i32::MAX".to_owned(),
        Scalar::Fixed(..) => written.unwrap_or_else(|| "0".to_owned()),
        Scalar::String => match written.filter(|text| !text.is_empty()) {
            Some(text) => format!("WireString::from_static({text:?})"),
            None => "WireString::new()".to_owned(),
        },
        other => {
            ensure!(written.is_none(), "a default for {other:?} is not understood");
            format!("{}::default()", other.name())
        }
    };
    Ok(if shape == Shape::Maybe && value != "None" { format!("Some({value})") } else { value })
}

fn element_bytes_min(message: &Message, field: &Field, scalar: &Scalar, versions: Versions) -> Result<usize> {
    if versions.is_empty() {
        return Ok(1);
    }
    let mut least = usize::MAX;
    for version in versions.min..=versions.max {
        let fields = match scalar {
            Scalar::Struct(name) => message.common(name).unwrap_or(&field.fields),
            _ => &[],
        };
        least = least.min(scalar_bytes_min(message, scalar, fields, version)?);
    }
    ensure!(least > 0, "an element may take no bytes at all");
    Ok(least)
}

fn scalar_bytes_min(message: &Message, scalar: &Scalar, fields: &[Field], version: i16) -> Result<usize> {
    let at = Versions { min: version, max: version };
    let flexible = message.flexible()?.covers(at);
    Ok(match scalar {
        Scalar::Fixed(_, bytes) => *bytes,
        Scalar::Uuid => 16,
        _ if flexible && !matches!(scalar, Scalar::Struct(_)) => 1,
        Scalar::String => 2,
        Scalar::Bytes | Scalar::Records => 4,
        Scalar::Struct(_) => {
            let mut sum = usize::from(flexible);
            for field in fields {
                if field.versions()?.covers(at) && !field.tagged()?.covers(at) {
                    sum += field_bytes_min(message, field, version, flexible)?;
                }
            }
            sum
        }
    })
}

fn field_bytes_min(message: &Message, field: &Field, version: i16, flexible: bool) -> Result<usize> {
    let inner = scalar(field)?;
    let nullable = field.nullable()?.covers(Versions { min: version, max: version });
    if field.wire_type.starts_with("[]") {
        Ok(if flexible { 1 } else { 4 })
    } else if nullable && matches!(inner, Scalar::Struct(_)) {
        Ok(1)
    } else if let Scalar::Struct(name) = &inner {
        scalar_bytes_min(message, &inner, message.common(name).unwrap_or(&field.fields), version)
    } else {
        scalar_bytes_min(message, &inner, &[], version)
    }
}
