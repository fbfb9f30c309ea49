# The stub that googleapis-common-protos ships says `FieldDescriptor`, which
# `Extensions[…]` rightly refuses; this says what the option holds.
from google.api.http_pb2 import HttpRule
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.internal.extension_dict import _ExtensionFieldDescriptor

DESCRIPTOR: FileDescriptor
http: _ExtensionFieldDescriptor[MethodOptions, HttpRule]
