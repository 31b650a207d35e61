-- Which version a request's entity gets: the same function as platform_assets/experiments/assignment.py, in the proxy.
-- SALT, COLUMN, TRAFFIC, TREATMENT, SCORE_PATH and the headers' names are written above this text by assignment_filter.py.
-- What it cannot read for certain goes to control and is named so; the service reads every request again and is the judge.

local band, bxor, bor = bit.band, bit.bxor, bit.bor
local lshift, rshift, rol, tobit = bit.lshift, bit.rshift, bit.rol, bit.tobit
local byte, char, find, sub = string.byte, string.char, string.find, string.sub

-- A product of two words of 32 bits, of which a double holds only parts exactly.
local function product(a, b)
  return tobit(band(a, 0xffff) * b + (rshift(a, 16) * b % 65536) * 65536)
end

local function mixed(word)
  return product(rol(product(word, 0xcc9e2d51), 15), 0x1b873593)
end

local function murmur3(text)
  local hashed, length = 0, #text
  local whole = length - length % 4
  for i = 1, whole, 4 do
    local a, b, c, d = byte(text, i, i + 3)
    hashed = bxor(hashed, mixed(bor(a, lshift(b, 8), lshift(c, 16), lshift(d, 24))))
    hashed = tobit(product(rol(hashed, 13), 5) + 0xe6546b64)
  end
  if whole < length then
    local a, b, c = byte(text, whole + 1, length)
    hashed = bxor(hashed, mixed(bor(a, lshift(b or 0, 8), lshift(c or 0, 16))))
  end
  hashed = bxor(hashed, length)
  hashed = product(bxor(hashed, rshift(hashed, 16)), 0x85ebca6b)
  hashed = product(bxor(hashed, rshift(hashed, 13)), 0xc2b2ae35)
  return bxor(hashed, rshift(hashed, 16)) % 4294967296
end

local function bucket(text)
  return murmur3(text) % 10000
end

local function assigned(text)
  if bucket("traffic:" .. SALT .. ":" .. text) >= TRAFFIC then
    return "outside"
  end
  if bucket("variant:" .. SALT .. ":" .. text) < TREATMENT then
    return "treatment"
  end
  return "control"
end

-- The closing quote of the string that begins at i; nil where there is none.
local function closing(text, i)
  local at = i + 1
  while true do
    local found = find(text, '["\\]', at)
    if not found then
      return nil
    end
    if byte(text, found) == 34 then
      return found
    end
    at = found + 2
  end
end

local function utf8(code)
  if code < 0x80 then
    return char(code)
  elseif code < 0x800 then
    return char(0xc0 + rshift(code, 6), 0x80 + band(code, 63))
  elseif code < 0x10000 then
    return char(0xe0 + rshift(code, 12), 0x80 + band(rshift(code, 6), 63), 0x80 + band(code, 63))
  end
  return char(0xf0 + rshift(code, 18), 0x80 + band(rshift(code, 12), 63), 0x80 + band(rshift(code, 6), 63), 0x80 + band(code, 63))
end

local PLAIN = { ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }

-- The string between two quotes; nil where it is no JSON, or holds half of a surrogate pair.
local function unescaped(raw)
  if find(raw, "%c") and find(raw, "[%z\1-\31]") then
    return nil
  end
  if not find(raw, "\\", 1, true) then
    return raw
  end
  local parts, at = {}, 1
  while true do
    local found = find(raw, "\\", at, true)
    if not found then
      parts[#parts + 1] = sub(raw, at)
      return table.concat(parts)
    end
    parts[#parts + 1] = sub(raw, at, found - 1)
    local kind = sub(raw, found + 1, found + 1)
    if kind == "u" then
      local digits = string.match(raw, "^%x%x%x%x", found + 2)
      if not digits then
        return nil
      end
      local code = tonumber(digits, 16)
      at = found + 6
      if code >= 0xd800 and code <= 0xdfff then
        local low = code < 0xdc00 and string.match(raw, "^\\u(%x%x%x%x)", at)
        local second = low and tonumber(low, 16)
        if not second or second < 0xdc00 or second > 0xdfff then
          return nil
        end
        code = 0x10000 + (code - 0xd800) * 1024 + (second - 0xdc00)
        at = at + 6
      end
      parts[#parts + 1] = utf8(code)
    else
      local plain = PLAIN[kind]
      if not plain then
        return nil
      end
      parts[#parts + 1] = plain
      at = found + 2
    end
  end
end

-- A whole number as its digits; nil where it is written in another way.
local function whole(raw)
  local digits = string.match(raw, "^%-?%d+$")
  if not digits then
    digits = string.match(raw, "^(%-?%d+)%.0+$")
    if not digits or #digits > 15 then
      return nil -- from 2^53 on a number with a decimal point stands for several whole numbers
    end
  end
  if find(digits, "^%-?0%d") then
    return nil
  end
  return digits == "-0" and "0" or digits
end

-- The first character behind the value that begins at i; nil where it does not end.
local function behind(text, i)
  local first = byte(text, i)
  if first == 34 then
    local quote = closing(text, i)
    return quote and quote + 1
  end
  if first ~= 123 and first ~= 91 then
    return find(text, "[,}%] \t\r\n]", i)
  end
  local depth, at = 0, i
  while true do
    local found = find(text, '["{}%[%]]', at)
    if not found then
      return nil
    end
    local mark = byte(text, found)
    if mark == 34 then
      local quote = closing(text, found)
      if not quote then
        return nil
      end
      at = quote + 1
    else
      depth = depth + ((mark == 123 or mark == 91) and 1 or -1)
      at = found + 1
      if depth == 0 then
        return at
      end
    end
  end
end

local function variant_of_value(text, i)
  local finish = behind(text, i)
  if not finish then
    return "undecided"
  end
  local raw = sub(text, i, finish - 1)
  if raw == "null" then
    return "no_entity"
  end
  local value
  if byte(raw) == 34 then
    value = unescaped(sub(raw, 2, -2))
  else
    value = whole(raw)
  end
  return value and assigned(value) or "undecided"
end

-- Of a whole body: the value of the column in the outermost object, wherever it stands there.
local function variant_of_body(text)
  local at = find(text, "[^ \t\r\n]")
  if not at or byte(text, at) ~= 123 then
    return "undecided"
  end
  at = find(text, "[^ \t\r\n]", at + 1)
  while at and byte(text, at) == 34 do
    local quote = closing(text, at)
    local colon = quote and find(text, "[^ \t\r\n]", quote + 1)
    if not colon or byte(text, colon) ~= 58 then
      return "undecided"
    end
    local value = find(text, "[^ \t\r\n]", colon + 1)
    if not value then
      return "undecided"
    end
    if unescaped(sub(text, at + 1, quote - 1)) == COLUMN then
      return variant_of_value(text, value)
    end
    local finish = behind(text, value)
    at = finish and find(text, "[^ \t\r\n]", finish)
    if not at then
      return "undecided"
    end
    if byte(text, at) == 125 then
      return "no_entity"
    end
    if byte(text, at) ~= 44 then
      return "undecided"
    end
    at = find(text, "[^ \t\r\n]", at + 1)
  end
  return at and byte(text, at) == 125 and "no_entity" or "undecided"
end

function envoy_on_request(handle)
  local headers = handle:headers()
  headers:remove(VARIANT_HEADER) -- a caller chooses no version
  headers:replace(EXPERIMENT_HEADER, EXPERIMENT)
  local variant = "undecided"
  if string.match(headers:get(":path") or "", "^[^?]*") == SCORE_PATH then
    local body = handle:body()
    if body and body:length() > 0 then
      local fine, found = pcall(variant_of_body, body:getBytes(0, body:length()))
      variant = fine and found or "undecided"
    end
  end
  handle:headers():replace(VARIANT_HEADER, variant) -- asked for anew: waiting for a body ends what was held before
  handle:clearRouteCache()
end
