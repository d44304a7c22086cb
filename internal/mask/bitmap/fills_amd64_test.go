// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bitmap

import "golang.org/x/sys/cpu"

// fills are the ways to describe whole blocks that this processor knows.
var fills = func() map[string]func(*Table, []Block, []byte) {
	m := map[string]func(*Table, []Block, []byte){"portable": (*Table).fillPortable}
	if cpu.X86.HasAVX2 {
		m["AVX2"] = (*Table).fillWide
	}
	return m
}()
