// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import _ "embed" // starter.cedar

//go:embed starter.cedar
var starter string

// Starter returns the policy file that a new installation begins with.
func Starter() File { return File{Name: "starter.cedar", Text: starter} }
