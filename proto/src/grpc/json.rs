//! Messages as JSON, in Protobuf's own mapping (camel case, times as RFC 3339), by the descriptors that reflection serves:
//! a new field needs no line here.

use std::sync::LazyLock;

use prost::{Message, Name};
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, SerializeOptions};
use serde_json::Value;

use super::FILE_DESCRIPTOR_SET;

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("the descriptor set was made by our own build")
});

/// The JSON of a message of the public package, the same bytes for the same message. Fields that are not set are left out.
pub fn to_json<M: Message + Name>(message: &M) -> Value {
    let descriptor = POOL.get_message_by_name(&M::full_name()).expect("public messages are in the descriptor set");
    let dynamic = DynamicMessage::decode(descriptor.clone(), message.encode_to_vec().as_slice())
        .expect("a message decodes by its own descriptor");
    let options = SerializeOptions::new().stringify_64_bit_integers(true);
    let mut json =
        dynamic.serialize_with_options(serde_json::value::Serializer, &options).expect("every message has a JSON form");
    sort_maps(&mut json, &descriptor);
    json
}

/// Dynamic messages keep maps in no order; people and golden files want one.
fn sort_maps(json: &mut Value, descriptor: &MessageDescriptor) {
    for field in descriptor.fields() {
        if let Some(value) = json.get_mut(field.json_name()) {
            sort_field(value, &field);
        }
    }
}

fn sort_field(value: &mut Value, field: &FieldDescriptor) {
    let Kind::Message(message) = field.kind() else { return };
    match value {
        Value::Object(map) if field.is_map() => {
            map.sort_keys();
            if let Kind::Message(message) = message.map_entry_value_field().kind() {
                map.values_mut().for_each(|value| sort_maps(value, &message));
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| sort_maps(value, &message)),
        _ => sort_maps(value, &message),
    }
}
