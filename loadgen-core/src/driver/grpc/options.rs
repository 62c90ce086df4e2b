//! Options in `.proto` files, most of which say nothing that is needed to encode a message.
//!
//! Owns which of them are kept.

use prost_reflect::prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
    UninterpretedOption,
};

/// Leaves only options that bear on how a message is encoded. Others may be of any kind, be
/// described by files in any version, and say nothing that is needed here.
pub(super) fn drop_others(file: &mut FileDescriptorProto) {
    file.options = None;
    file.message_type.iter_mut().for_each(drop_in_message);
    file.enum_type.iter_mut().for_each(drop_in_enum);
    file.extension.iter_mut().for_each(drop_in_field);
    for service in &mut file.service {
        service.options = None;
        for method in &mut service.method {
            method.options = None;
        }
    }
}

fn keep(options: &mut Vec<UninterpretedOption>, name: &str) {
    options.retain(|option| {
        let [part] = option.name.as_slice() else {
            return false;
        };
        !part.is_extension && part.name_part == name
    });
}

fn drop_in_message(message: &mut DescriptorProto) {
    if let Some(options) = &mut message.options {
        keep(&mut options.uninterpreted_option, "message_set_wire_format");
    }
    message.field.iter_mut().for_each(drop_in_field);
    message.extension.iter_mut().for_each(drop_in_field);
    message.enum_type.iter_mut().for_each(drop_in_enum);
    message.nested_type.iter_mut().for_each(drop_in_message);
    for oneof in &mut message.oneof_decl {
        oneof.options = None;
    }
    for range in &mut message.extension_range {
        range.options = None;
    }
}

fn drop_in_field(field: &mut FieldDescriptorProto) {
    if let Some(options) = &mut field.options {
        keep(&mut options.uninterpreted_option, "packed");
    }
}

fn drop_in_enum(of: &mut EnumDescriptorProto) {
    if let Some(options) = &mut of.options {
        keep(&mut options.uninterpreted_option, "allow_alias");
    }
    for value in &mut of.value {
        value.options = None;
    }
}
