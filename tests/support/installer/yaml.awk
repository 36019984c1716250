# Flattens a YAML document in block style, as PyYAML writes it: a line for each scalar, with the path of its keys and
# positions, a tab, and the value as the %b of printf reads it.
function push(place, name) {
    while (depth > 0 && places[depth] >= place)
        depth--
    places[++depth] = place
    names[depth] = name
}

function path(  result, i) {
    result = names[1]
    for (i = 2; i <= depth; i++)
        result = result "." names[i]
    return result
}

function take(indent, text,  parent, name) {
    if (text ~ /^- /) {
        # An item may stand as far left as the key that it belongs to.
        while (depth > 0 && places[depth] >= indent * 2 + 1)
            depth--
        parent = path()
        push(indent * 2 + 1, counts[parent]++ + 0)
        text = substr(text, 3)
        if (text ~ /^[A-Za-z0-9_-]+:( |$)/)
            take(indent + 2, text)
        else
            begin(indent, text)
    } else if (match(text, /^[A-Za-z0-9_-]+:/)) {
        name = substr(text, 1, RLENGTH - 1)
        text = substr(text, RLENGTH + 2)
        push(indent * 2, name)
        if (text != "")
            begin(indent, text)
    } else {
        broken = 1
        exit 1
    }
}

# A scalar begins: what is indented deeper belongs to it.
function begin(indent, text) {
    column = indent
    pieces = 1
    piece[1] = text
}

function finish(  text, i, blank, continued, quote) {
    if (!pieces)
        return
    text = piece[1]
    quote = substr(text, 1, 1)
    for (i = 2; i <= pieces; i++) {
        sub(/^ +/, "", piece[i])
        continued = quote == "\"" && match(text, /\\+$/) && RLENGTH % 2
        if (piece[i] == "")
            blank++
        else {
            if (continued)
                text = substr(text, 1, length(text) - 1) piece[i]
            else if (blank)
                text = text repeated("\n", blank) piece[i]
            else
                text = text " " piece[i]
            blank = 0
        }
    }
    pieces = 0
    if (quote == "\"")
        text = unescaped(substr(text, 2, length(text) - 2))
    else {
        if (quote == "'") {
            text = substr(text, 2, length(text) - 2)
            gsub(/''/, "'", text)
        }
        text = literal(text)
    }
    if (text != "[]" && text != "{}")
        print path() "\t" text
}

function repeated(text, times,  result) {
    while (times-- > 0)
        result = result text
    return result
}

function literal(text) {
    gsub(/\\/, "\\0134", text)
    gsub(/\n/, "\\012", text)
    gsub(/\t/, "\\011", text)
    return text
}

function unescaped(text,  result, place, sign, digits) {
    while (place = index(text, "\\")) {
        result = result literal(substr(text, 1, place - 1))
        sign = substr(text, place + 1, 1)
        digits = sign == "x" ? 2 : sign == "u" ? 4 : sign == "U" ? 8 : 0
        if (digits)
            result = result utf8(hexadecimal(substr(text, place + 2, digits)))
        else if (sign in ESCAPES)
            result = result octal(ESCAPES[sign])
        else
            result = result literal(sign)
        text = substr(text, place + 2 + digits)
    }
    return result literal(text)
}

function hexadecimal(text,  i, number) {
    for (i = 1; i <= length(text); i++)
        number = number * 16 + index("0123456789abcdef", tolower(substr(text, i, 1))) - 1
    return number
}

function octal(byte) {
    return sprintf("\\0%03o", byte)
}

function utf8(code) {
    if (code < 128)
        return octal(code)
    if (code < 2048)
        return octal(192 + int(code / 64)) octal(128 + code % 64)
    if (code < 65536)
        return octal(224 + int(code / 4096)) octal(128 + int(code / 64) % 64) octal(128 + code % 64)
    return octal(240 + int(code / 262144)) octal(128 + int(code / 4096) % 64) \
        octal(128 + int(code / 64) % 64) octal(128 + code % 64)
}

BEGIN {
    ESCAPES["0"] = 0; ESCAPES["a"] = 7; ESCAPES["b"] = 8; ESCAPES["t"] = 9; ESCAPES["n"] = 10; ESCAPES["v"] = 11
    ESCAPES["f"] = 12; ESCAPES["r"] = 13; ESCAPES["e"] = 27
}

{
    match($0, /^ */)
    indent = RLENGTH
    text = substr($0, indent + 1)
    if (pieces && (text == "" || indent > column)) {
        piece[++pieces] = $0
        next
    }
    finish()
    if (text != "" && text !~ /^#/)
        take(indent, text)
}

END {
    if (!broken)
        finish()
    exit broken
}
