// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !amd64

package bitmap

// fills are the ways to describe whole blocks that this processor knows.
var fills = map[string]func(*Table, []Block, []byte){"portable": (*Table).fillPortable}
