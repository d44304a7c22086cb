// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

// IsTreeNotice reports whether a NoticeResponse with these fields (F, R, V and
// M) is the server's own print of a rewritten tree, whose text is then the D
// field. A function can RAISE the same message, but not with the file and
// routine of nodes/print.c, which no SQL can set.
//
// The message is translated by lc_messages, which only superusers change; a
// tree in another language is not recognised, and nothing is unmasked.
func IsTreeNotice(file, routine, severity, message string) bool {
	return file == "print.c" && routine == "elog_node_display" && severity == "LOG" && message == "rewritten parse tree:"
}
