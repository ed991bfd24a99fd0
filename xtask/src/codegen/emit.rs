//! Writes the Rust of one message.

use std::fmt::Write;

use anyhow::Result;

use super::model::{self, Member, Shape, Struct};
use super::rust_type::Scalar;
use super::schema::Message;
use super::versions::Versions;

/// Returns the module of `message`, not yet formatted.
pub(super) fn message(message: &Message) -> Result<String> {
    let structs = model::structs(message)?;
    let mut body = String::new();
    for (position, each) in structs.iter().enumerate() {
        let outer = (position == 0).then_some(message);
        definition(&mut body, each, outer);
        implementation(&mut body, each, outer);
        defaults(&mut body, each);
    }
    let mut out = format!("//! `{}`, written by `cargo xtask codegen` from its schema.\n\n", message.name);
    out.push_str("#![allow(clippy::too_many_lines, reason = \"generated, in the order of the wire\")]\n\n");
    imports(&mut out, &body);
    out.push_str(&body);
    Ok(out)
}

/// Imports what occurs in `body`.
fn imports(out: &mut String, body: &str) {
    let list = |names: &[&str]| names.iter().filter(|name| says(body, name)).copied().collect::<Vec<_>>().join(", ");
    if says(body, "Bytes") {
        out.push_str("use bytes::Bytes;\n");
    }
    if says(body, "TopicId") {
        out.push_str("use omnibus_model::TopicId;\n\n");
    }
    for (module, names) in [
        ("output", &["EncodeError", "Output", "Records", "Tags", "lacks", "required"][..]),
        ("input", &["DecodeError", "Input"]),
        ("primitive", &["Form", "Versions", "WireString"]),
    ] {
        let names = list(names);
        if !names.is_empty() {
            writeln!(out, "use crate::wire::{module}::{{{names}}};").expect("a string takes all");
        }
    }
    out.push('\n');
}

/// Whether `name` is a word of `body`.
fn says(body: &str, name: &str) -> bool {
    body.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name)
}

fn definition(out: &mut String, each: &Struct, outer: Option<&Message>) {
    let what = if outer.is_some() { "message".to_owned() } else { format!("struct `{}` of this message", each.name) };
    let default = if defaults_are_rusts(each) { "Default, " } else { "" };
    writeln!(out, "/// The {what}.\n#[derive(Clone, Debug, {default}PartialEq)]\npub struct {} {{", each.name)
        .expect("a string takes all");
    for field in &each.fields {
        if !field.versions.covers(each.versions) {
            writeln!(out, "/// Versions {}.", span(field.versions)).expect("a string takes all");
        }
        writeln!(out, "pub {}: {},", field.name, field.rust_type()).expect("a string takes all");
    }
    out.push_str("}\n\n");
}

fn span(versions: Versions) -> String {
    match versions {
        none if none.is_empty() => "that are no longer served".to_owned(),
        Versions { min, max } if min == max => format!("{min} only"),
        Versions { min, max } => format!("{min} to {max}"),
    }
}

fn implementation(out: &mut String, each: &Struct, outer: Option<&Message>) {
    writeln!(out, "impl {} {{", each.name).expect("a string takes all");
    if outer.is_some() {
        writeln!(
            out,
            "/// The versions that the schema has.\npub const VERSIONS: Versions = Versions {{ min: {}, max: {} }};\n",
            each.versions.min, each.versions.max
        )
        .expect("a string takes all");
    }
    decode(out, each, outer);
    encode(out, each, outer);
    out.push_str("}\n\n");
}

fn form(flexible: Versions, around: Versions) -> Option<String> {
    let here = flexible.and(around);
    if here.is_empty() {
        Some("Form::Fixed".to_owned())
    } else if here == around {
        Some("Form::Compact".to_owned())
    } else {
        None
    }
}

/// What names the form of a field's lengths in the code of its struct.
fn form_of(each: &Struct, field: &Member) -> String {
    form(field.flexible, each.versions).unwrap_or_else(|| "form".to_owned())
}

fn declare_form(out: &mut String, each: &Struct, uses: &str) {
    if form(each.flexible, each.versions).is_none() && uses.contains("form") {
        writeln!(out, "let form = Form::compact_from({}, version);", each.flexible.min).expect("a string takes all");
    }
}

fn signature(out: &mut String, outer: Option<&Message>, head: &str, result: &str, errors: &str) {
    let (visible, doc) = match outer {
        Some(_) => ("pub ", format!("///\n/// # Errors\n/// {errors}\n")),
        None => ("", String::new()),
    };
    if outer.is_some() {
        let verb = if head.starts_with("decode") { "Reads the message" } else { "Writes the message" };
        write!(out, "/// {verb} as `version` lays it out.\n{doc}").expect("a string takes all");
    }
    writeln!(out, "{visible}fn {head} -> {result} {{").expect("a string takes all");
}

fn decode(out: &mut String, each: &Struct, outer: Option<&Message>) {
    let tagged: Vec<&Member> = each.fields.iter().filter(|field| field.tag.is_some()).collect();
    let mut body = String::new();
    let literal = if tagged.is_empty() { "let this = Self {" } else { "let mut this = Self {" };
    writeln!(body, "{literal}").expect("a string takes all");
    for field in &each.fields {
        let value = match field.tag {
            Some(_) => field.default.clone(),
            None => read_or_default(each, field),
        };
        writeln!(body, "{}: {value},", field.name).expect("a string takes all");
    }
    body.push_str("};\n");
    if !each.flexible.and(each.versions).is_empty() {
        let tags = if tagged.is_empty() { "input.skip_tags()?;".to_owned() } else { read_tags(each, &tagged) };
        match each.flexible.condition(each.versions) {
            Some(_) => writeln!(body, "if form == Form::Compact {{ {tags} }}"),
            None => writeln!(body, "{tags}"),
        }
        .expect("a string takes all");
    }
    if body.ends_with("};\n") && tagged.is_empty() {
        body = body.replacen("let this = Self {", "Ok(Self {", 1);
        body.truncate(body.len() - 3);
        body.push_str("})\n}\n\n");
    } else {
        body.push_str("Ok(this)\n}\n\n");
    }
    let version =
        if outer.is_some() || says(&body, "version") || needs_form(each, &body) { "version" } else { "_version" };
    let input = if body.contains("input") { "input" } else { "_input" };
    signature(
        out,
        outer,
        &format!("decode({input}: &mut Input, {version}: i16)"),
        "Result<Self, DecodeError>",
        "If the bytes are not such a message, or the version is not known.",
    );
    if outer.is_some() {
        out.push_str("Self::VERSIONS.check_decoded(version)?;\n");
    }
    declare_form(out, each, &body);
    out.push_str(&body);
}

fn needs_form(each: &Struct, body: &str) -> bool {
    form(each.flexible, each.versions).is_none() && body.contains("form")
}

fn read_or_default(each: &Struct, field: &Member) -> String {
    let read = read(each, field);
    match field.versions.condition(each.versions) {
        None => read,
        Some(never) if never == "false" => field.default.clone(),
        Some(condition) => format!("if {condition} {{ {read} }} else {{ {} }}", field.default),
    }
}

/// Reads a field in those of its versions that remain.
fn read(each: &Struct, field: &Member) -> String {
    let form = form_of(each, field);
    let maybe = || format!("{}?", read_nullable(field, &form));
    match (field.shape, field.nullable.condition(field.versions)) {
        (Shape::One | Shape::Many, _) => format!("{}?", read_present(field, &form)),
        (_, None) => maybe(),
        (_, Some(condition)) => {
            format!("if {condition} {{ {} }} else {{ Some({}?) }}", maybe(), read_present(field, &form))
        }
    }
}

fn read_present(field: &Member, form: &str) -> String {
    match field.shape {
        Shape::One | Shape::Maybe => read_scalar(&field.scalar, form),
        Shape::Many | Shape::MaybeMany => {
            format!("input.array({form}, {}, |input| {})", field.element_bytes_min, read_scalar(&field.scalar, form))
        }
    }
}

fn read_nullable(field: &Member, form: &str) -> String {
    match (field.shape, &field.scalar) {
        (Shape::MaybeMany, scalar) => {
            format!("input.nullable_array({form}, {}, |input| {})", field.element_bytes_min, read_scalar(scalar, form))
        }
        (_, Scalar::String) => format!("input.nullable_string({form})"),
        (_, Scalar::Bytes) => format!("input.nullable_bytes({form})"),
        (_, Scalar::Records) => format!("input.nullable_records({form})"),
        (_, Scalar::Struct(name)) => {
            format!("input.nullable_struct(|input| {name}::decode(input, version))")
        }
        (_, scalar) => unreachable!("{scalar:?} cannot be null"),
    }
}

fn read_scalar(scalar: &Scalar, form: &str) -> String {
    match scalar {
        Scalar::Fixed(name, _) => format!("input.{name}()"),
        Scalar::Uuid => "input.uuid()".to_owned(),
        Scalar::String => format!("input.string({form})"),
        Scalar::Bytes => format!("input.bytes({form})"),
        Scalar::Records => format!("input.records({form})"),
        Scalar::Struct(name) => format!("{name}::decode(input, version)"),
    }
}

fn read_tags(each: &Struct, tagged: &[&Member]) -> String {
    let mut out = "input.tags(&mut |tag, input| { match tag {".to_owned();
    for field in tagged {
        let (tag, versions) = field.tag.expect("it is tagged");
        let guard = match versions.condition(each.flexible.and(each.versions)) {
            Some(condition) => format!(" if {condition}"),
            None => String::new(),
        };
        let form = "Form::Compact";
        let read = match field.shape {
            Shape::One | Shape::Many => read_present(field, form),
            Shape::Maybe | Shape::MaybeMany => read_nullable(field, form),
        };
        writeln!(out, "{tag}{guard} => this.{} = {read}?,", field.name).expect("a string takes all");
    }
    out.push_str("_ => return Ok(false),\n} Ok(true) })?;");
    out
}

fn encode(out: &mut String, each: &Struct, outer: Option<&Message>) {
    let mut body = String::new();
    for field in &each.fields {
        write_field(&mut body, each, field);
    }
    write_tags(&mut body, each);
    body.push_str("Ok(())\n}\n");
    let version =
        if outer.is_some() || says(&body, "version") || needs_form(each, &body) { "version" } else { "_version" };
    let sink = if body.contains("out") { "out" } else { "_out" };
    signature(
        out,
        outer,
        &format!("encode(&self, {sink}: &mut Output, {version}: i16)"),
        "Result<(), EncodeError>",
        "If the version is not known or cannot say what the message says.",
    );
    if outer.is_some() {
        out.push_str("Self::VERSIONS.check_encoded(version)?;\n");
    }
    declare_form(out, each, &body);
    out.push_str(&body);
}

fn write_field(out: &mut String, each: &Struct, field: &Member) {
    let write = match field.tag {
        Some(_) => String::new(),
        None => format!("{};", write_value(each, field)),
    };
    let path = format!("{}.{}", each.name, field.name.trim_start_matches("r#"));
    let lacks = format!("lacks({}, {path:?}, version)?;", differs(field));
    match (field.versions.condition(each.versions), field.ignorable) {
        (None, _) => writeln!(out, "{write}"),
        (Some(never), _) if never == "false" => Ok(()),
        (Some(_), true) if write.is_empty() => Ok(()),
        (Some(condition), true) => writeln!(out, "if {condition} {{ {write} }}"),
        (Some(condition), false) if write.is_empty() => {
            writeln!(out, "if {} {{ {lacks} }}", negated(&condition))
        }
        (Some(condition), false) => {
            writeln!(out, "if {condition} {{ {write} }} else {{ {lacks} }}")
        }
    }
    .expect("a string takes all");
}

/// The versions without a field, from the condition for those with it.
fn negated(condition: &str) -> String {
    for (is, is_not) in [(" >= ", " < "), (" <= ", " > "), (" == ", " != ")] {
        if condition.contains(is) {
            return condition.replace(is, is_not);
        }
    }
    format!("!{condition}")
}

/// Whether a field says something that its absence would not.
fn differs(field: &Member) -> String {
    let name = &field.name;
    match (field.default.as_str(), &field.scalar) {
        ("None", _) => format!("self.{name}.is_some()"),
        ("Vec::new()" | "WireString::new()", _) => format!("!self.{name}.is_empty()"),
        ("true", _) => format!("!self.{name}"),
        ("false", _) => format!("self.{name}"),
        (default, _) => format!("self.{name} != {default}"),
    }
}

fn write_value(each: &Struct, field: &Member) -> String {
    let form = form_of(each, field);
    let path = format!("{}.{}", each.name, field.name.trim_start_matches("r#"));
    let present = |value: &str| write_present(field, &form, value);
    let name = &field.name;
    match (field.shape, field.nullable.condition(field.versions)) {
        (Shape::One, _) => present(&format!("self.{name}")),
        (Shape::Many, _) => present(&format!("self.{name}")),
        (_, None) => write_nullable(field, &form),
        (_, Some(condition)) => format!(
            "if {condition} {{ {}; }} else {{ {}; }}",
            write_nullable(field, &form),
            present(&format!("required(self.{name}.as_ref(), {path:?}, version)?"))
        ),
    }
}

fn write_present(field: &Member, form: &str, value: &str) -> String {
    match field.shape {
        Shape::One | Shape::Maybe => write_scalar(&field.scalar, form, value),
        Shape::Many | Shape::MaybeMany => {
            let value = if value.starts_with("self.") { format!("&{value}") } else { value.to_owned() };
            format!("out.put_array({value}, {form}, {})?", write_item(&field.scalar, form))
        }
    }
}

fn write_nullable(field: &Member, form: &str) -> String {
    let name = &field.name;
    match (field.shape, &field.scalar) {
        (Shape::MaybeMany, scalar) => {
            format!("out.put_nullable_array(self.{name}.as_deref(), {form}, {})?", write_item(scalar, form))
        }
        (_, Scalar::String) => format!("out.put_nullable_string(self.{name}.as_ref(), {form})?"),
        (_, Scalar::Bytes) => {
            format!("out.put_nullable_bytes(self.{name}.as_ref(), {form})?")
        }
        (_, Scalar::Records) => {
            format!("out.put_nullable_records(self.{name}.as_ref(), {form})?")
        }
        (_, Scalar::Struct(_)) => {
            format!("out.put_nullable_struct(self.{name}.as_ref(), |out, item| item.encode(out, version))?")
        }
        (_, scalar) => unreachable!("{scalar:?} cannot be null"),
    }
}

/// The closure that writes one element.
fn write_item(scalar: &Scalar, form: &str) -> String {
    match scalar {
        Scalar::Fixed(name, _) => format!("|out, item| {{ out.put_{name}(*item); Ok(()) }}"),
        Scalar::Uuid => "|out, item| { out.put_uuid(*item); Ok(()) }".to_owned(),
        Scalar::String => format!("|out, item| out.put_string(item, {form})"),
        Scalar::Bytes => format!("|out, item| out.put_bytes(item, {form})"),
        Scalar::Records => format!("|out, item| out.put_records(item, {form})"),
        Scalar::Struct(_) => "|out, item| item.encode(out, version)".to_owned(),
    }
}

/// Writes a value that is there. `value` is a place, or an expression of a reference to it.
fn write_scalar(scalar: &Scalar, form: &str, value: &str) -> String {
    let place = value.starts_with("self.");
    let by_ref = if place { format!("&{value}") } else { value.to_owned() };
    let by_value = if place { value.to_owned() } else { format!("*{value}") };
    match scalar {
        Scalar::Fixed(name, _) => format!("out.put_{name}({by_value})"),
        Scalar::Uuid => format!("out.put_uuid({by_value})"),
        Scalar::String => format!("out.put_string({by_ref}, {form})?"),
        Scalar::Bytes => format!("out.put_bytes({by_ref}, {form})?"),
        Scalar::Records => format!("out.put_records({by_ref}, {form})?"),
        Scalar::Struct(_) => format!("{value}.encode(out, version)?"),
    }
}

fn write_tags(out: &mut String, each: &Struct) {
    if each.flexible.and(each.versions).is_empty() {
        return;
    }
    let mut tagged: Vec<(u32, Versions, &Member)> =
        each.fields.iter().filter_map(|field| field.tag.map(|(tag, versions)| (tag, versions, field))).collect();
    tagged.sort_by_key(|(tag, ..)| *tag);
    let mut tags = String::new();
    if tagged.is_empty() {
        tags.push_str("out.put_no_tags();");
    } else {
        tags.push_str("let mut tags = Tags::default();\n");
        for (tag, versions, field) in tagged {
            let version = versions.condition(each.flexible.and(each.versions));
            let guard = version.map(|condition| format!("{condition} && ")).unwrap_or_default();
            writeln!(tags, "if {guard}{} {{ tags.add({tag}, |out| {})?; }}", differs(field), write_tag(field))
                .expect("a string takes all");
        }
        tags.push_str("out.put_tags(tags)?;");
    }
    match each.flexible.condition(each.versions) {
        Some(_) => writeln!(out, "if form == Form::Compact {{ {tags} }}"),
        None => writeln!(out, "{tags}"),
    }
    .expect("a string takes all");
}

fn write_tag(field: &Member) -> String {
    let form = "Form::Compact";
    let value = match field.shape {
        Shape::One | Shape::Many => write_present(field, form, &format!("self.{}", field.name)),
        Shape::Maybe | Shape::MaybeMany => write_nullable(field, form),
    };
    value.strip_suffix('?').map_or_else(|| format!("{{ {value}; Ok(()) }}"), str::to_owned)
}

/// Whether the schema's defaults are what Rust would take anyway.
fn defaults_are_rusts(each: &Struct) -> bool {
    let rusts = |default: &str| {
        matches!(default, "None" | "Vec::new()" | "WireString::new()" | "0" | "false")
            || default.ends_with("::default()")
    };
    each.fields.iter().all(|field| rusts(&field.default))
}

fn defaults(out: &mut String, each: &Struct) {
    if defaults_are_rusts(each) {
        return;
    }
    writeln!(out, "impl Default for {} {{\nfn default() -> Self {{ Self {{", each.name).expect("a string takes all");
    for field in &each.fields {
        writeln!(out, "{}: {},", field.name, field.default).expect("a string takes all");
    }
    out.push_str("} }\n}\n\n");
}
