"""Things made by people, and things in the sky: one row per thing. Glyphs are from Noto Color Emoji (SIL OFL 1.1)."""

from __future__ import annotations

from functools import partial

from training.drawing.thing import Thing

building = partial(Thing, kind="building", scale=1.0)
vehicle = partial(Thing, kind="vehicle", scale=0.8)
tool = partial(Thing, kind="tool", scale=0.42, held=True)
device = partial(Thing, kind="device", scale=0.45)
instrument = partial(Thing, kind="instrument", scale=0.48, held=True)
toy = partial(Thing, kind="toy", scale=0.42, held=True)
clothes = partial(Thing, kind="clothes", scale=0.45, held=True)
furniture = partial(Thing, kind="furniture", scale=0.65)
sky = partial(Thing, kind="sky", place="air", scale=0.55)
thing = partial(Thing, kind="thing", scale=0.42, held=True)

BUILDINGS: tuple[Thing, ...] = (
    building(("house", "home", "cottage"), "🏠", recolour=True),
    building(("barn", "farmhouse"), "barn", recolour=True),
    building(("haunted house", "ruin", "abandoned house"), "🏚"),
    building(("igloo",), "igloo", scale=0.8),
    building(("tent", "camping tent"), "⛺", scale=0.8, recolour=True),
    building(("castle", "fortress", "palace"), "🏰"),
    building(("pagoda", "japanese castle"), "🏯"),
    building(("church", "chapel"), "⛪"),
    building(("mosque",), "🕌"),
    building(("factory",), "🏭"),
    building(("skyscraper", "office building", "high rise"), "skyscraper", recolour=True),
    building(("shrine gate", "torii"), "⛩"),
    building(("tower", "eiffel tower"), "🗼"),
    building(("statue of liberty",), "🗽"),
    building(("lighthouse",), "lighthouse", recolour=True),
    building(("windmill",), "windmill", recolour=True),
    building(("bridge",), "bridge", recolour=True, top=0.59),
    building(("fountain",), "⛲", scale=0.75),
    building(("well", "wishing well"), "well", scale=0.7),
    building(("fence", "picket fence"), "fence", scale=0.7, recolour=True, top=0.05),
    building(("ferris wheel", "big wheel"), "🎡"),
    building(("roller coaster",), "🎢"),
    building(("circus tent", "circus"), "🎪"),
)

VEHICLES: tuple[Thing, ...] = (
    vehicle(("car", "automobile"), "🚗", recolour=True, top=0.08),
    vehicle(("taxi", "cab"), "🚕", top=0.2),
    vehicle(("police car",), "🚓", top=0.2),
    vehicle(("racing car", "race car", "sports car"), "🏎", recolour=True),
    vehicle(("bus",), "🚌", scale=0.9, recolour=True, top=0.05),
    vehicle(("ambulance",), "🚑", scale=0.85),
    vehicle(("fire engine", "fire truck"), "🚒", scale=0.9),
    vehicle(("truck", "lorry", "delivery truck"), "🚚", scale=0.9, top=0.05),
    vehicle(("tractor",), "🚜", scale=0.85, recolour=True),
    vehicle(("motorcycle", "motorbike"), "🏍", scale=0.7, recolour=True),
    vehicle(("kick scooter",), "🛴", scale=0.55),
    vehicle(("bicycle", "bike"), "🚲", scale=0.65),
    vehicle(("skateboard",), "🛹", scale=0.45, held=True),
    vehicle(("train", "locomotive", "steam train"), "🚂", scale=0.95, recolour=True),
    vehicle(("airplane", "plane", "aeroplane", "jet"), "🛩", place="air", scale=0.85),
    vehicle(("helicopter",), "🚁", place="air", recolour=True),
    vehicle(("rocket", "spaceship"), "🚀", place="air"),
    vehicle(("ufo", "flying saucer"), "🛸", place="air", scale=0.7),
    vehicle(("satellite",), "🛰", place="air", scale=0.65),
    vehicle(("hot air balloon",), "hot air balloon", place="air", scale=0.9, recolour=True),
    vehicle(("boat", "sailboat", "sailing boat", "yacht"), "⛵", place="water"),
    vehicle(("ship", "cruise ship", "ocean liner"), "🚢", place="water", scale=1.0),
    vehicle(("canoe", "kayak"), "🛶", place="water", scale=0.7),
    vehicle(("submarine",), "submarine", place="water", recolour=True),
    vehicle(("sled", "sledge"), "🛷", scale=0.55),
    vehicle(("shopping cart",), "🛒", scale=0.6),
    vehicle(("wheel", "tire", "tyre"), "🛞", scale=0.45),
    vehicle(("anchor",), "⚓", scale=0.45, recolour=True),
    vehicle(("traffic light", "stoplight"), "🚦", scale=0.6),
    vehicle(("stop sign",), "🛑", scale=0.5),
    vehicle(("street lamp", "lamppost", "street light"), "street lamp", scale=0.95),
)

TOOLS: tuple[Thing, ...] = (
    tool(("hammer",), "🔨"),
    tool(("axe", "hatchet"), "🪓"),
    tool(("saw", "handsaw"), "🪚"),
    tool(("wrench", "spanner"), "🔧"),
    tool(("screwdriver",), "🪛"),
    tool(("gear", "cogwheel"), "⚙", recolour=True),
    tool(("magnet",), "🧲"),
    tool(("scissors", "pair of scissors"), "✂"),
    tool(("pencil",), "✏"),
    tool(("pen", "ballpoint pen"), "🖊"),
    tool(("paintbrush", "paint brush", "brush"), "🖌"),
    tool(("palette", "paint palette"), "🎨"),
    tool(("broom", "broomstick"), "🧹", scale=0.55),
    tool(("bucket", "pail"), "🪣", recolour=True),
    tool(("key",), "🔑", scale=0.38),
    tool(("lock", "padlock"), "🔒", scale=0.38, recolour=True),
    tool(("bow and arrow", "archery bow"), "🏹", scale=0.5),
    tool(("sword", "dagger"), "🗡", scale=0.5),
    tool(("shield",), "🛡", scale=0.48, recolour=True),
    tool(("bomb",), "💣", recolour=True),
    tool(("ball of yarn", "yarn", "wool"), "🧶", recolour=True),
    tool(("ladder",), "🪜", scale=0.75, held=False),
    tool(("microscope",), "🔬", scale=0.5),
    tool(("telescope",), "🔭", scale=0.6),
    tool(("magic wand", "wand"), "🪄"),
    tool(("toothbrush",), "🪥"),
    tool(("candle",), "🕯"),
    tool(("lantern", "paper lantern"), "🏮", recolour=True),
    tool(("barrel", "cask"), "barrel", place="surface", scale=0.5, recolour=True, held=False, top=0.06),
)

DEVICES: tuple[Thing, ...] = (
    Thing(("robot", "android"), "🤖", kind="device", scale=0.65, recolour=True, holds=True),
    device(("computer", "desktop computer", "monitor"), "🖥"),
    device(("laptop", "notebook computer"), "💻", held=True),
    device(("phone", "smartphone", "mobile phone", "cell phone"), "📱", scale=0.38, held=True),
    device(("telephone",), "☎", recolour=True),
    device(("television", "tv"), "📺", scale=0.55, top=0.22),
    device(("radio",), "📻", held=True),
    device(("camera", "photo camera"), "📷", held=True),
    device(("light bulb", "bulb"), "💡", scale=0.38, held=True),
    device(("watch", "wristwatch"), "⌚", scale=0.38, held=True),
    device(("clock", "mantel clock"), "🕰"),
    device(("hourglass", "sand timer"), "⏳", held=True),
    device(("video game controller", "game controller", "gamepad"), "🎮", held=True),
    device(("headphones",), "🎧", held=True),
    device(("microphone",), "🎤", held=True),
)

INSTRUMENTS: tuple[Thing, ...] = (
    instrument(("guitar", "electric guitar"), "🎸", scale=0.55, recolour=True),
    instrument(("violin", "fiddle"), "🎻"),
    instrument(("trumpet",), "🎺"),
    instrument(("saxophone",), "🎷"),
    instrument(("flute",), "🪈"),
    instrument(("accordion",), "🪗", recolour=True),
    instrument(("piano", "piano keyboard"), "🎹", held=False),
    instrument(("drum", "drums"), "🥁", recolour=True, top=0.3),
    instrument(("bell",), "🔔", scale=0.4, recolour=True),
    instrument(("musical note", "music note", "music"), "🎵", place="air", scale=0.4, held=False),
)

TOYS: tuple[Thing, ...] = (
    toy(("ball", "rubber ball"), "ball", scale=0.4, recolour=True),
    toy(("balloon",), "🎈", place="air", scale=0.45, recolour=True),
    toy(("kite",), "🪁", place="air", scale=0.5),
    toy(("teddy bear", "stuffed bear"), "🧸", scale=0.48, recolour=True),
    toy(("die", "game die"), "🎲", scale=0.38),
    toy(("chess pawn", "chess piece"), "♟"),
    toy(("soccer ball", "football"), "⚽", scale=0.4),
    toy(("basketball",), "🏀", scale=0.4, recolour=True),
    toy(("tennis racket", "tennis ball", "racket"), "🎾", scale=0.36, recolour=True),
    toy(("dartboard", "target", "bullseye"), "🎯"),
    toy(("trophy", "prize"), "🏆", recolour=True),
    toy(("snowman",), "⛄", scale=0.65, held=False),
    toy(("sandcastle", "sand castle"), "sandcastle", scale=0.6, held=False),
)

CLOTHES: tuple[Thing, ...] = (
    clothes(("shirt", "tshirt", "t shirt"), "👕", recolour=True),
    clothes(("jeans", "trousers", "pants"), "👖", recolour=True),
    clothes(("dress", "gown"), "👗", scale=0.5, recolour=True),
    clothes(("scarf",), "🧣", recolour=True),
    clothes(("gloves", "mittens"), "🧤", scale=0.4, recolour=True),
    clothes(("socks", "stockings"), "🧦", scale=0.4, recolour=True),
    clothes(("hat", "top hat"), "🎩", scale=0.4, recolour=True),
    clothes(("cap", "baseball cap"), "🧢", scale=0.4, recolour=True),
    clothes(("helmet", "army helmet"), "🪖", scale=0.42, recolour=True),
    clothes(("shoe", "sneaker", "running shoe"), "👟", scale=0.4, recolour=True),
    clothes(("glasses", "eyeglasses", "spectacles"), "👓", scale=0.4),
    clothes(("sunglasses", "shades"), "🕶", scale=0.4),
    clothes(("crown",), "👑", scale=0.4),
    clothes(("ring", "diamond ring"), "💍", scale=0.36),
    clothes(("umbrella", "parasol"), "☂", scale=0.55, recolour=True),
    clothes(("backpack", "school bag", "rucksack"), "🎒", scale=0.48, recolour=True),
    clothes(("suitcase", "luggage"), "🧳", scale=0.5, recolour=True),
)

FURNITURE: tuple[Thing, ...] = (
    furniture(("table", "wooden table"), "table", place="surface", scale=0.8, recolour=True, top=0.08),
    furniture(("desk", "writing desk"), "desk", place="surface", scale=0.8, top=0.08),
    furniture(("bench", "park bench"), "bench", place="surface", scale=0.75, recolour=True, top=0.55),
    furniture(("bookcase", "bookshelf"), "bookcase", scale=0.9, top=0.03),
    furniture(("stool",), "stool", place="surface", scale=0.5, recolour=True, top=0.08),
    furniture(
        ("box", "cardboard box", "crate", "parcel", "package"), "box", place="surface", scale=0.55, recolour=True, top=0.12
    ),
    furniture(("rug", "carpet", "mat"), "rug", place="surface", scale=0.8, recolour=True, top=0.45),
    furniture(("pillow", "cushion"), "pillow", place="surface", scale=0.5, recolour=True, top=0.3),
    furniture(("lamp", "table lamp", "desk lamp"), "lamp", scale=0.5, recolour=True),
    furniture(("bed",), "🛏", place="surface", scale=0.8, top=0.5),
    furniture(("sofa", "couch"), "🛋", place="surface", scale=0.8, top=0.68),
    furniture(("chair",), "🪑", place="surface", scale=0.6, top=0.55),
    furniture(("door", "doorway"), "🚪", scale=0.8, recolour=True),
    furniture(("window",), "🪟", scale=0.6),
    furniture(("mirror",), "🪞", scale=0.55),
    furniture(("picture", "framed picture", "portrait"), "framed picture", scale=0.55, held=True),
    furniture(("easel", "canvas on an easel"), "easel", scale=0.75),
    furniture(("bathtub", "bath", "tub"), "🛁", scale=0.7),
    furniture(("basket", "laundry basket"), "🧺", scale=0.5, top=0.3),
    furniture(("vase", "amphora"), "🏺", scale=0.5, recolour=True, held=True),
)

SKY: tuple[Thing, ...] = (
    sky(("sun",), "🌞"),
    sky(("moon", "crescent moon"), "🌙", recolour=True),
    sky(("star",), "star", scale=0.45, recolour=True),
    sky(("planet", "saturn"), "🪐", scale=0.7, recolour=True),
    sky(("earth", "globe", "planet earth"), "🌍", scale=0.7),
    sky(("cloud",), "☁", scale=0.65, recolour=True),
    sky(("rain cloud",), "🌧", scale=0.65),
    sky(("lightning bolt", "thunderbolt"), "⚡", scale=0.5, recolour=True),
    sky(("rainbow",), "🌈", scale=0.85),
    sky(("snowflake",), "❄", scale=0.45),
    sky(("tornado", "whirlwind", "hurricane"), "🌪", place="ground", scale=0.95),
    sky(("wave", "ocean wave"), "🌊", place="water", scale=0.8),
    sky(("water drop", "drop of water", "droplet"), "💧", scale=0.38, recolour=True),
    sky(("fire", "flame"), "🔥", place="ground", scale=0.55, recolour=True),
    sky(("campfire", "bonfire"), "campfire", place="ground", scale=0.55),
    sky(("fireworks",), "fireworks", scale=0.8),
)

THINGS_APART: tuple[Thing, ...] = (
    thing(
        ("hello world", "hello world sign", "hello world banner", "words hello world"),
        "hello world",
        scale=0.9,
        held=False,
        recolour=True,
    ),
    thing(("banner",), "banner", place="air", scale=0.8, held=False, recolour=True),
    thing(("wings", "pair of wings"), "wings", place="air", scale=0.6, held=False, recolour=True),
    thing(("heart",), "heart", place="air", recolour=True),
    thing(("book", "open book"), "📖"),
    thing(("envelope", "letter"), "✉", scale=0.4, recolour=True),
    thing(("gift", "present", "gift box"), "🎁", recolour=True),
    thing(("money bag", "bag of money", "money"), "💰"),
    thing(("coin", "gold coin"), "🪙", scale=0.36),
    thing(("diamond", "gem", "jewel"), "💎", scale=0.4, recolour=True),
    thing(("flag", "pennant"), "🚩", scale=0.5, recolour=True),
    thing(("crystal ball",), "🔮"),
    thing(("feather", "quill"), "🪶", recolour=True),
    thing(("bone",), "🦴", scale=0.38),
    thing(("eye",), "👁", held=False),
    thing(("hand", "palm of a hand"), "✋", held=False),
    thing(("rock", "stone", "boulder"), "🪨", place="surface", scale=0.55, recolour=True, held=False, top=0.12),
    thing(("spider web", "cobweb"), "🕸", scale=0.5, held=False),
    thing(("smiley", "smiley face", "happy face"), "😀", held=False),
    thing(("sad face", "crying face"), "😢", held=False),
    thing(("angry face",), "😠", held=False),
    thing(("skull",), "💀"),
    thing(("ghost", "spirit"), "👻", scale=0.6, held=False, holds=True),
    thing(("alien", "martian"), "👽", scale=0.6, held=False, holds=True),
    thing(("clown",), "🤡", scale=0.6, held=False, holds=True),
    thing(("speech bubble",), "💬", place="air", held=False),
    thing(("question mark",), "❓", place="air", held=False, recolour=True),
)

MADE: tuple[Thing, ...] = BUILDINGS + VEHICLES + TOOLS + DEVICES + INSTRUMENTS + TOYS + CLOTHES + FURNITURE + SKY + THINGS_APART
