// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package grpc is what gRPC lays over HTTP/2, as far as a gateway in the middle
// needs it: how messages stand in a body, how a call ends, how long it may take, and
// strict reading of the messages themselves. It knows no connections: the same
// functions serve calls of one message and streams in either direction.
//
// Messages are never compressed here: the gateway announces the encoding "identity"
// alone, on both sides, and refuses a message that says that it is packed.
package grpc
