"""Ordinary texts of our own that no search sees, and everyday questions: what side effects are measured on.

Nothing here has to do with surveys, values or one country. The sentences of all languages say the same as
the guard's held-out texts, so that a language differs from another in its words alone.
"""

from acculturate.metrics.guard import HELD_OUT_TEXTS

SENTENCES: dict[str, tuple[str, ...]] = {
    "en": HELD_OUT_TEXTS,
    "ar": (
        "يغادر القطار المتجه إلى الساحل في الثامنة والنصف ويصل قبيل الظهر.",
        "تجد النحلات طريق العودة إلى الخلية بموقع الشمس وبمعالم الطريق التي تتذكرها.",
        "فتحت النافذة ونظرت إلى المطر، ثم قررت أن تنهي الرسالة قبل أن تخرج.",
        "المثلث الذي له ضلعان متساويان له زاويتان متساويتان، ومنهما تُعرف الزاوية الثالثة.",
        "في المتحف مجموعة صغيرة من الساعات، صُنع معظمها في القرن الثامن عشر.",
        "إذا لم يعمل المحرك فافحص البطارية أولًا ثم الوقود.",
        "خسر فريقنا المباراة الأولى لكنه فاز في المباراتين التاليتين، فبقينا في البطولة.",
        "يغلي الماء في الجبال عند درجة حرارة أقل لأن ضغط الهواء هناك أقل.",
    ),
    "es": (
        "El tren a la costa sale a las ocho y media y llega poco antes del mediodía.",
        "Las abejas encuentran el camino de vuelta a la colmena por la posición del sol y por señales que "
        "recuerdan.",
        "Abrió la ventana, miró la lluvia y decidió terminar la carta antes de salir.",
        "Un triángulo con dos lados iguales tiene dos ángulos iguales, y de ellos se deduce el tercero.",
        "El museo tiene una pequeña colección de relojes, la mayoría fabricados en el siglo dieciocho.",
        "Si el motor no arranca, revise primero la batería y después el combustible.",
        "Nuestro equipo perdió el primer partido, pero ganó los dos siguientes, así que seguimos en el torneo.",
        "En la montaña el agua hierve a menor temperatura porque allí la presión del aire es más baja.",
    ),
    "hi": (
        "तट की ओर जाने वाली रेलगाड़ी साढ़े आठ बजे चलती है और दोपहर से थोड़ा पहले पहुँचती है।",
        "मधुमक्खियाँ सूरज की स्थिति और याद रखे हुए निशानों से अपने छत्ते का रास्ता ढूँढ लेती हैं।",
        "उसने खिड़की खोली, बारिश को देखा और बाहर जाने से पहले चिट्ठी पूरी करने का फ़ैसला किया।",
        "जिस त्रिभुज की दो भुजाएँ बराबर हों, उसके दो कोण भी बराबर होते हैं, और तीसरा कोण उनसे निकल आता है।",
        "संग्रहालय में घड़ियों का एक छोटा संग्रह है, जिनमें से ज़्यादातर अठारहवीं सदी में बनी थीं।",
        "अगर इंजन चालू न हो, तो पहले बैटरी और फिर ईंधन की जाँच करें।",
        "हमारी टीम पहला मैच हार गई, पर अगले दो जीत गई, इसलिए हम प्रतियोगिता में बने रहे।",
        "पहाड़ों पर पानी कम तापमान पर उबलता है, क्योंकि वहाँ हवा का दबाव कम होता है।",
    ),
    "zh": (
        "开往海边的火车八点半出发，快到中午时到达。",
        "蜜蜂靠太阳的位置和记住的地标找到回蜂巢的路。",
        "她打开窗户，看了看雨，决定写完信再出门。",
        "有两条边相等的三角形有两个相等的角，第三个角可以由它们算出来。",
        "博物馆收藏了少量钟表，大多数是十八世纪制造的。",
        "如果发动机发动不了，先检查电池，再检查燃料。",
        "我们队输了第一场比赛，但赢了接下来的两场，所以留在了比赛中。",
        "山上的水在较低的温度下沸腾，因为那里的气压比较低。",
    ),
}
"""Language code -> sentences; English is the guard's own held-out texts."""

PASSAGES: tuple[str, ...] = (
    "A flat tyre is easy to mend with a little patience. Turn the bicycle upside down and take the wheel off. "
    "Lift one side of the tyre over the rim with two flat levers and pull the tube out. Pump some air into it "
    "and listen for the hiss, or hold it under water and look for bubbles. Dry the spot, rub it with "
    "sandpaper, spread a thin layer of glue, and wait until it feels dull. Then press the patch on firmly and "
    "count to sixty.",
    "Rain begins far above the ground. The sun warms seas, lakes and wet soil, and some of their water rises "
    "as vapour that nobody can see. Higher up the air is colder, so the vapour settles on specks of dust and "
    "turns into tiny drops. Millions of them drift together as a cloud. When drops touch they join, and when "
    "they grow too heavy for the rising air they fall. On cold days they freeze on the way and reach the "
    "street as snow or hail.",
    "The cat had been missing since Monday. Nora put a bowl of food on the step every evening, and every "
    "morning it was empty, but she never saw who ate from it. On Thursday she stayed up with a cup of tea and "
    "a torch. Shortly after two something moved behind the flower pots. It was not the cat. A hedgehog walked "
    "slowly to the bowl, looked at the light, and began to eat. The cat came home on Saturday, thin and "
    "cheerful.",
    "Please read this before you use the new printer on the second floor. It starts by itself when you hold "
    "your card against the grey field. Choose the number of copies and whether you want both sides of the "
    "paper used. If the paper jams, open the left door, pull the sheet out gently in the direction of the "
    "arrow, and close the door again. Do not switch the machine off while the yellow lamp is on. Empty "
    "cartridges belong in the box beside the window.",
    "The moon gives no light of its own. What we see is sunlight that falls on its grey surface and is thrown "
    "back. Because it circles the earth once in about four weeks, we look at its bright side from a different "
    "angle every night. Sometimes the whole disc is lit, sometimes half of it, and for a night or two almost "
    "none. It always turns the same side to us, since it takes as long to turn around itself as to go once "
    "around the earth.",
    "We left the car park at seven and followed the path along the stream. The first hour was flat and shady, "
    "and we met only a man with two dogs. Behind the wooden bridge the climb began, over stones that were "
    "still wet from the night. At the hut we filled our bottles and changed our socks. From there it was "
    "another forty minutes to the top. The fog opened just once, long enough for a picture of the lake, and "
    "then it closed again.",
)
"""English texts long enough to see how far into a text a soft prompt reaches."""

QUESTIONS: tuple[str, ...] = (
    "How do I get a coffee stain out of a cotton shirt?",
    "What is the difference between weather and climate?",
    "How long should I boil an egg?",
    "Why is the sky blue?",
    "What can I do when I cannot fall asleep?",
    "What should I check before I buy a used bicycle?",
    "How does a refrigerator work?",
    "How do I politely move an appointment to another day?",
    "What is a good way to learn new words?",
    "Why does the battery of my phone run down so quickly?",
    "How does water get from the roots of a tree to its leaves?",
    "What are three ideas for a quiet weekend at home?",
)
"""What anybody asks an assistant, in any country."""
