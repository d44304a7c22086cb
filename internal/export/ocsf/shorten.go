// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ocsf

// shortest is the last level of [shorten]; an event has fewer than [MinEvent]
// bytes after it, unless its origin or its principal is very long.
const shortest = 3

// shorten makes an event smaller: at level 1 it loses the leaf's body, at level
// 2 and 3 texts and lists are cut. What names the event, its place in the log
// and the log is never touched.
func shorten(tree obj, level, full int) {
	if own, ok := tree["unmapped"].(obj)["sallyport"].(obj); ok {
		delete(own, "body")
	}
	if meta, ok := tree["metadata"].(obj); ok {
		meta["is_truncated"] = true
		meta["untruncated_size"] = (full + 1023) / 1024
	}
	text, items := 0, 0
	switch level {
	case 2:
		text, items = 512, 8
	case 3:
		text, items = 64, 1
	default:
		return
	}
	for k, v := range tree {
		if k != "metadata" && k != "attestation_list" && k != "unmapped" {
			tree[k] = cut(v, text, items)
		}
	}
}

func cut(v any, text, items int) any {
	switch x := v.(type) {
	case string:
		if len(x) <= text {
			return x
		}
		end := text
		for end > 0 && x[end]&0xc0 == 0x80 { // never inside a character
			end--
		}
		return x[:end] + "…"
	case []any:
		x = x[:min(len(x), items)]
		out := make([]any, len(x))
		for i, e := range x {
			out[i] = cut(e, text, items)
		}
		return out
	case obj:
		out := make(obj, len(x))
		for k, e := range x {
			out[k] = cut(e, text, items)
		}
		return out
	}
	return v
}
